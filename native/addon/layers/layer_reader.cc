#include "layer_reader.h"

#include <algorithm>

namespace tensim::addon {
namespace {

// The widest of some layers and of what is inside of them.
void widen_by(const std::vector<LayerView>& layers, double& widest) {
  const auto widen = [&](std::size_t width) { widest = std::max(widest, static_cast<double>(width)); };
  for (const LayerView& layer : layers) {
    std::visit([&](const auto& view) { widen(view.outputs()); }, layer);
    if (const auto* bilinear = std::get_if<BilinearView>(&layer)) widen(bilinear->units());
    if (const auto* hidden = std::get_if<HiddenView>(&layer)) widen(hidden->units());
    if (const auto* gated = std::get_if<GatedView>(&layer)) widen(gated->units());
    if (const auto* attention = std::get_if<AttentionView>(&layer)) widen(attention->inner());
    if (const auto* softmax = std::get_if<SoftmaxAttentionView>(&layer)) widen(softmax->q.rows);
    if (const auto* parallel = std::get_if<ParallelView>(&layer)) {
      for (const std::vector<LayerView>& chain : parallel->branches->chains) widen_by(chain, widest);
    }
  }
}

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

// @param width of what the first layer takes, and then of what the last one gives.
std::vector<LayerView> read_chain(const Napi::Value& value, const std::string& within, std::size_t depth,
                                  std::size_t& width, AsyncCall& call) {
  if (!value.IsArray()) fail(value.Env(), "INVALID_ARGUMENT", within + "layers must be an array");
  const auto array = value.As<Napi::Array>();
  std::vector<LayerView> layers;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const std::string where = within + "layer " + std::to_string(i) + ": ";
    const LayerReader reader{value.Env(), read_object(array.Get(i), where), where, call, depth};
    const std::string type = read_string(reader.object.Get("type"), where + "type");
    layers.push_back(read_kind(reader, type, width, static_cast<const LayerView*>(nullptr)));
  }
  return layers;
}

}  // namespace

MatrixView LayerReader::matrix(const char* name) const {
  return read_matrix(object.Get(name), where + name, call);
}

MatrixView LayerReader::bias(const char* name, std::size_t size) const {
  return read_optional_column(object.Get(name), size, where + name, call);
}

MatrixView LayerReader::column(const char* name, std::size_t size) const {
  if (!present(object.Get(name))) fail(env, "INVALID_ARGUMENT", where + name + " is missing");
  return bias(name, size);
}

MatrixView LayerReader::stacked(const char* name, std::vector<std::size_t>& shape) const {
  const Napi::Object tensor = read_object(object.Get(name), where + name);
  MatrixView view = read_column(tensor.Get("data"), where + name, call);
  const Napi::Value axes = tensor.Get("shape");
  if (!axes.IsArray() || axes.As<Napi::Array>().Length() < 2)
    fail(env, "SHAPE_MISMATCH", where + name + " must have two axes or more");
  for (std::uint32_t i = 0; i < axes.As<Napi::Array>().Length(); ++i)
    shape.push_back(read_size(axes.As<Napi::Array>().Get(i), where + name));
  std::size_t columns = 1;
  for (std::size_t i = 1; i < shape.size(); ++i) {
    if (shape[i] != 0 && columns > view.rows / shape[i]) fail(env, "SHAPE_MISMATCH", where + name + " is too large");
    columns *= shape[i];
  }
  if (columns == 0 || view.rows % columns != 0) fail(env, "SHAPE_MISMATCH", where + name + " has no such shape");
  expect(env, view.rows / columns, shape[0], where + "the number of rows of " + name);
  view.rows = shape[0];
  view.columns = columns;
  view.row_stride = static_cast<std::ptrdiff_t>(columns);
  return view;
}

double LayerReader::number(const char* name) const {
  return read_number(object.Get(name), where + name);
}

void LayerReader::read_activation(Activation& activation, MatrixView& slopes, std::size_t units) const {
  const std::string name = read_string(object.Get("activation"), where + "activation");
  const std::optional<ActivationKind> kind = activation_named(name);
  if (!kind) fail(env, "INVALID_ARGUMENT", where + "there is no activation " + name);
  activation.kind = *kind;
  activation.slope = present(object.Get("slope")) ? number("slope") : 0;
  slopes = bias("slopes", units);
  if (absent(slopes) == (*kind == ActivationKind::kPrelu))
    fail(env, "INVALID_ARGUMENT", where + "slopes belong to prelu, and prelu has slopes");
}

void LayerReader::expect_shape(const MatrixView& matrix, const char* name, std::size_t rows,
                               std::size_t columns) const {
  expect(env, matrix.columns, columns, where + "the number of columns of " + name);
  expect(env, matrix.rows, rows, where + "the number of rows of " + name);
}

std::vector<LayerView> read_layers(const Napi::Value& value, std::size_t inputs, AsyncCall& call) {
  std::size_t width = inputs;
  return read_chain(value, "", 0, width, call);
}

std::vector<LayerView> read_branch(const LayerReader& reader, const Napi::Value& value, std::size_t& width) {
  return read_chain(value, reader.where, reader.depth + 1, width, reader.call);
}

void expect_countable(Napi::Env env, const std::vector<LayerView>& layers, std::size_t inputs, std::size_t positions,
                      bool pairs) {
  auto widest = static_cast<double>(std::max<std::size_t>(inputs, 1));
  widen_by(layers, widest);
  // Of every pair of numbers at two positions there are 4·4 kinds at the most, in elements below 2^63.
  constexpr double kMostPaired = 536870912.0, kMost = 288230376151711744.0;  // 2^29, 2^58
  if (static_cast<double>(positions) * widest > (pairs ? kMostPaired : kMost)) {
    fail(env, "MEMORY_LIMIT", std::to_string(positions) + " positions are more than memory has room for");
  }
}

}  // namespace tensim::addon
