#include "layer_reader.h"

namespace tensim::addon {

void read_layer(const LayerReader& reader, std::size_t width, HiddenView& layer) {
  layer.weight = reader.matrix("weight");
  reader.expect_shape(layer.weight, "weight", layer.units(), width);
  layer.bias = reader.bias("bias", layer.units());
  reader.read_activation(layer.activation, layer.slopes, layer.units());
  reader.read_behind(layer, width);
}

}  // namespace tensim::addon
