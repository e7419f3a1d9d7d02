#include "layer_reader.h"

namespace tensim::addon {
namespace {

template <bool Centred>
void read_norm(const LayerReader& reader, std::size_t width, NormView<Centred>& layer) {
  layer.features = width;
  layer.weight = reader.bias("weight", width);
  layer.bias = reader.bias("bias", width);
  layer.epsilon = reader.number("epsilon");
  layer.offset = reader.number("offset");
  if (present(reader.object.Get("features")))
    expect(reader.env, read_count(reader.object.Get("features"), reader.where + "features"), width,
           reader.where + "features");
}

}  // namespace

void read_layer(const LayerReader& reader, std::size_t width, RmsNormView& layer) {
  read_norm(reader, width, layer);
}

void read_layer(const LayerReader& reader, std::size_t width, LayerNormView& layer) {
  read_norm(reader, width, layer);
}

}  // namespace tensim::addon
