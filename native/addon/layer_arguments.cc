#include <cmath>

#include "arguments.h"

namespace tensim::addon {
namespace {

bool present(const Napi::Value& value) {
  return !value.IsUndefined() && !value.IsNull();
}

// One layer of a chain while it is read.
struct Reader {
  Napi::Env env;
  Napi::Object object;
  std::string where;  // "layer 3: "
  AsyncCall& call;

  MatrixView matrix(const char* name) const { return read_matrix(object.Get(name), where + name, call); }
  MatrixView bias(const char* name, std::size_t size) const {
    return read_optional_column(object.Get(name), size, where + name, call);
  }
  void expect_shape(const MatrixView& matrix, const char* name, std::size_t rows, std::size_t columns) const {
    expect(env, matrix.columns, columns, where + "the number of columns of " + name);
    expect(env, matrix.rows, rows, where + "the number of rows of " + name);
  }
  // α and β, and the width that a residual must find again.
  void read_residual(LayerView& layer, std::size_t outputs, std::size_t width) const {
    layer.alpha = read_number(object.Get("alpha"), where + "alpha");
    layer.beta = read_number(object.Get("beta"), where + "beta");
    if (layer.alpha != 0) expect(env, outputs, width, where + "the width of a block with a residual");
  }
};

// Each reads a layer whose input has `width` features and returns those of its output.
std::size_t read_linear(const Reader& reader, std::size_t width, LayerView& layer) {
  layer.weight = reader.matrix("weight");
  reader.expect_shape(layer.weight, "weight", layer.weight.rows, width);
  layer.bias = reader.bias("bias", layer.weight.rows);
  return layer.weight.rows;
}

std::size_t read_bilinear(const Reader& reader, std::size_t width, LayerView& layer) {
  layer.type = LayerType::kBilinear;
  layer.left = reader.matrix("left");
  layer.right = reader.matrix("right");
  const std::size_t units = layer.left.rows;
  reader.expect_shape(layer.left, "left", units, width);
  reader.expect_shape(layer.right, "right", units, width);
  std::size_t outputs = units;
  if (present(reader.object.Get("down"))) {
    layer.down = reader.matrix("down");
    outputs = layer.down.rows;
    reader.expect_shape(layer.down, "down", outputs, units);
  }
  layer.left_bias = reader.bias("leftBias", units);
  layer.right_bias = reader.bias("rightBias", units);
  layer.down_bias = reader.bias("downBias", outputs);
  reader.read_residual(layer, outputs, width);
  return outputs;
}

std::size_t read_attention(const Reader& reader, std::size_t width, LayerView& layer) {
  layer.type = LayerType::kAttention;
  layer.heads = read_count(reader.object.Get("heads"), reader.where + "heads");
  layer.q1 = reader.matrix("q1");
  const std::size_t inner = layer.q1.rows;
  if (inner == 0 || inner % layer.heads != 0) {
    fail(reader.env, "SHAPE_MISMATCH", reader.where + std::to_string(inner) + " rows do not divide into heads");
  }
  layer.k1 = reader.matrix("k1");
  layer.q2 = reader.matrix("q2");
  layer.k2 = reader.matrix("k2");
  layer.v = reader.matrix("v");
  for (const MatrixView* part : {&layer.q1, &layer.k1, &layer.q2, &layer.k2, &layer.v}) {
    reader.expect_shape(*part, "a projection", inner, width);
  }
  layer.q1_bias = reader.bias("q1Bias", inner);
  layer.k1_bias = reader.bias("k1Bias", inner);
  layer.q2_bias = reader.bias("q2Bias", inner);
  layer.k2_bias = reader.bias("k2Bias", inner);
  layer.v_bias = reader.bias("vBias", inner);
  layer.o = reader.matrix("o");
  reader.expect_shape(layer.o, "o", layer.o.rows, inner);
  layer.o_bias = reader.bias("oBias", layer.o.rows);
  reader.read_residual(layer, layer.o.rows, width);

  const std::string mask = read_string(reader.object.Get("mask"), reader.where + "mask");
  if (mask != "causal" && mask != "none")
    fail(reader.env, "INVALID_ARGUMENT", reader.where + "mask must be causal or none");
  layer.causal = mask == "causal";
  const Napi::Value base = reader.object.Get("rotaryBase");
  if (present(base)) {
    layer.rotary_base = read_number(base, reader.where + "rotaryBase");
    if (!(layer.rotary_base > 0) || std::isinf(layer.rotary_base)) {
      fail(reader.env, "INVALID_ARGUMENT", reader.where + "rotaryBase must be a positive number");
    }
    if (inner / layer.heads % 2 != 0) {
      fail(reader.env, "SHAPE_MISMATCH", reader.where + "rotary embedding needs heads of even size");
    }
  }
  return layer.o.rows;
}

}  // namespace

std::vector<LayerView> read_layers(const Napi::Value& value, std::size_t inputs, AsyncCall& call) {
  if (!value.IsArray()) fail(value.Env(), "INVALID_ARGUMENT", "layers must be an array");
  const auto array = value.As<Napi::Array>();
  std::vector<LayerView> layers;
  std::size_t width = inputs;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const std::string where = "layer " + std::to_string(i) + ": ";
    const Reader reader{value.Env(), read_object(array.Get(i), where), where, call};
    const std::string type = read_string(reader.object.Get("type"), where + "type");
    LayerView layer;
    if (type == "linear") {
      width = read_linear(reader, width, layer);
    } else if (type == "bilinear") {
      width = read_bilinear(reader, width, layer);
    } else if (type == "attention") {
      width = read_attention(reader, width, layer);
    } else {
      fail(reader.env, "UNSUPPORTED_LAYER", where + "type " + type + " is not known to this backend");
    }
    layers.push_back(layer);
  }
  return layers;
}

}  // namespace tensim::addon
