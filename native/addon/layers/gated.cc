#include "layer_reader.h"

namespace tensim::addon {

void read_layer(const LayerReader& reader, std::size_t width, GatedView& layer) {
  layer.gate = reader.matrix("gate");
  layer.up = reader.matrix("up");
  const std::size_t units = layer.units();
  reader.expect_shape(layer.gate, "gate", units, width);
  reader.expect_shape(layer.up, "up", units, width);
  layer.gate_bias = reader.bias("gateBias", units);
  layer.up_bias = reader.bias("upBias", units);
  reader.read_activation(layer.activation, layer.slopes, units);
  reader.read_behind(layer, width);
}

}  // namespace tensim::addon
