#include "layer_reader.h"

namespace tensim::addon {

void read_layer(const LayerReader& reader, std::size_t width, BilinearView& layer) {
  layer.left = reader.matrix("left");
  layer.right = reader.matrix("right");
  const std::size_t units = layer.units();
  reader.expect_shape(layer.left, "left", units, width);
  reader.expect_shape(layer.right, "right", units, width);
  if (present(reader.object.Get("down"))) {
    layer.down = reader.matrix("down");
    reader.expect_shape(layer.down, "down", layer.outputs(), units);
  }
  layer.left_bias = reader.bias("leftBias", units);
  layer.right_bias = reader.bias("rightBias", units);
  layer.down_bias = reader.bias("downBias", layer.outputs());
  reader.read_residual(layer, width);
}

}  // namespace tensim::addon
