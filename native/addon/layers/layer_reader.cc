#include "layer_reader.h"

namespace tensim::addon {
namespace {

// The layer of the kind that is called so, and the width of its output.
template <class... Kinds>
LayerView read_kind(const LayerReader& reader, const std::string& type, std::size_t& width,
                    const std::variant<Kinds...>*) {
  LayerView layer;
  const auto read_if = [&](auto kind) {
    if (type != kind.kType) return false;
    read_layer(reader, width, kind);
    width = kind.outputs();
    layer = kind;
    return true;
  };
  if (!(read_if(Kinds{}) || ...)) {
    fail(reader.env, "UNSUPPORTED_LAYER", reader.where + "type " + type + " is not known to this backend");
  }
  return layer;
}

}  // namespace

MatrixView LayerReader::matrix(const char* name) const {
  return read_matrix(object.Get(name), where + name, call);
}

MatrixView LayerReader::bias(const char* name, std::size_t size) const {
  return read_optional_column(object.Get(name), size, where + name, call);
}

double LayerReader::number(const char* name) const {
  return read_number(object.Get(name), where + name);
}

void LayerReader::expect_shape(const MatrixView& matrix, const char* name, std::size_t rows,
                               std::size_t columns) const {
  expect(env, matrix.columns, columns, where + "the number of columns of " + name);
  expect(env, matrix.rows, rows, where + "the number of rows of " + name);
}

std::vector<LayerView> read_layers(const Napi::Value& value, std::size_t inputs, AsyncCall& call) {
  if (!value.IsArray()) fail(value.Env(), "INVALID_ARGUMENT", "layers must be an array");
  const auto array = value.As<Napi::Array>();
  std::vector<LayerView> layers;
  std::size_t width = inputs;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const std::string where = "layer " + std::to_string(i) + ": ";
    const LayerReader reader{value.Env(), read_object(array.Get(i), where), where, call};
    const std::string type = read_string(reader.object.Get("type"), where + "type");
    layers.push_back(read_kind(reader, type, width, static_cast<const LayerView*>(nullptr)));
  }
  return layers;
}

}  // namespace tensim::addon
