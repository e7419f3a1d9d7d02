#include "layer_reader.h"

namespace tensim::addon {

void read_layer(const LayerReader& reader, std::size_t width, LinearView& layer) {
  layer.weight = reader.matrix("weight");
  reader.expect_shape(layer.weight, "weight", layer.outputs(), width);
  layer.bias = reader.bias("bias", layer.outputs());
}

}  // namespace tensim::addon
