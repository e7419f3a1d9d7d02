#include "layer_reader.h"

namespace tensim::addon {

void read_layer(const LayerReader& reader, std::size_t width, ActivationView& layer) {
  layer.features = read_count(reader.object.Get("width"), reader.where + "width");
  expect(reader.env, layer.features, width, reader.where + "the width");
  reader.read_activation(layer.activation, layer.slopes, width);
}

}  // namespace tensim::addon
