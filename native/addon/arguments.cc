#include "arguments.h"

#include <cmath>
#include <limits>

namespace tensim::addon {
namespace {

bool present(const Napi::Value& value) {
  return !value.IsUndefined() && !value.IsNull();
}

double read_number(const Napi::Value& value, const std::string& what) {
  if (!value.IsNumber()) fail(value.Env(), "INVALID_ARGUMENT", what + " must be a number");
  return value.As<Napi::Number>().DoubleValue();
}

// A bias or mean of `size` elements, or an absent view.
MatrixView read_optional_column(const Napi::Value& value, std::size_t size, const std::string& what, AsyncCall& call) {
  if (!present(value)) return {};
  const Napi::Value data = value.IsTypedArray() ? value : read_object(value, what).Get("data");
  const MatrixView view = read_column(data, what, call);
  if (view.rows != size) {
    fail(value.Env(), "SHAPE_MISMATCH",
         what + " has " + std::to_string(view.rows) + " elements instead of " + std::to_string(size));
  }
  return view;
}

void expect(Napi::Env env, std::size_t found, std::size_t wanted, const std::string& what) {
  if (found != wanted)
    fail(env, "SHAPE_MISMATCH", what + " is " + std::to_string(found) + " instead of " + std::to_string(wanted));
}

// A layer of quadratic attention that takes `width` features.
void read_attention(const Napi::Object& object, std::size_t width, const std::string& where, LayerView& layer,
                    AsyncCall& call) {
  const Napi::Env env = object.Env();
  layer.attention = true;
  layer.q1 = read_matrix(object.Get("q1"), where + "q1", call);
  layer.k1 = read_matrix(object.Get("k1"), where + "k1", call);
  layer.q2 = read_matrix(object.Get("q2"), where + "q2", call);
  layer.k2 = read_matrix(object.Get("k2"), where + "k2", call);
  layer.v = read_matrix(object.Get("v"), where + "v", call);
  const std::size_t joined = layer.q1.rows;
  for (const MatrixView* part : {&layer.q1, &layer.k1, &layer.q2, &layer.k2, &layer.v}) {
    expect(env, part->columns, width, where + "the number of columns of a projection");
    expect(env, part->rows, joined, where + "the number of rows of a projection");
  }
  layer.q1_bias = read_optional_column(object.Get("q1Bias"), joined, where + "q1Bias", call);
  layer.k1_bias = read_optional_column(object.Get("k1Bias"), joined, where + "k1Bias", call);
  layer.q2_bias = read_optional_column(object.Get("q2Bias"), joined, where + "q2Bias", call);
  layer.k2_bias = read_optional_column(object.Get("k2Bias"), joined, where + "k2Bias", call);
  layer.v_bias = read_optional_column(object.Get("vBias"), joined, where + "vBias", call);
  layer.o = read_matrix(object.Get("o"), where + "o", call);
  expect(env, layer.o.columns, joined, where + "the number of columns of o");
  layer.o_bias = read_optional_column(object.Get("oBias"), layer.o.rows, where + "oBias", call);
  layer.heads = read_size(object.Get("heads"), where + "heads");
  if (layer.heads == 0 || joined % layer.heads != 0)
    fail(env, "SHAPE_MISMATCH", where + "the projections do not divide into heads");
  layer.causal = read_string(object.Get("mask"), where + "mask") == "causal";
  if (present(object.Get("rotaryBase"))) {
    layer.rotary_base = read_number(object.Get("rotaryBase"), where + "rotaryBase");
    if (!(layer.rotary_base > 0)) fail(env, "INVALID_ARGUMENT", where + "rotaryBase must be positive");
    expect(env, joined / layer.heads % 2, 0, where + "the parity of the size of a head");
  }
  layer.alpha = read_number(object.Get("alpha"), where + "alpha");
  layer.beta = read_number(object.Get("beta"), where + "beta");
  if (layer.alpha != 0) expect(env, layer.o.rows, width, where + "the width of a block with a residual");
}

}  // namespace

void fail(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Value().Set("code", code);
  throw error;
}

MatrixView read_column(const Napi::Value& value, const std::string& what, AsyncCall& call) {
  if (!value.IsTypedArray()) fail(value.Env(), "INVALID_ARGUMENT", what + " must be a Float64Array or a Float32Array");
  const auto array = value.As<Napi::TypedArray>();
  const napi_typedarray_type type = array.TypedArrayType();
  if (type != napi_float64_array && type != napi_float32_array) {
    fail(value.Env(), "INVALID_ARGUMENT", what + " must be a Float64Array or a Float32Array");
  }
  if (!array.ArrayBuffer().IsArrayBuffer() || array.ArrayBuffer().IsDetached()) {
    fail(value.Env(), "INVALID_ARGUMENT", what + " lies in a shared or detached buffer");
  }
  call.keep(array);
  static const double nothing = 0;  // an empty array may have no memory at all, and an absent view is something else
  MatrixView view;
  view.rows = array.ElementLength();
  view.columns = 1;
  view.row_stride = 1;
  if (type == napi_float64_array) {
    view.dtype = DType::kFloat64;
    view.data = array.As<Napi::Float64Array>().Data();
  } else {
    view.dtype = DType::kFloat32;
    view.data = array.As<Napi::Float32Array>().Data();
  }
  if (view.data == nullptr) view.data = &nothing;
  return view;
}

MatrixView read_matrix(const Napi::Value& value, const std::string& what, AsyncCall& call) {
  const Napi::Object tensor = read_object(value, what);
  MatrixView view = read_column(tensor.Get("data"), what, call);
  const Napi::Value shape = tensor.Get("shape");
  if (!shape.IsArray() || shape.As<Napi::Array>().Length() != 2) {
    fail(value.Env(), "SHAPE_MISMATCH", what + " must have two axes");
  }
  const std::size_t rows = read_size(shape.As<Napi::Array>().Get(0u), what),
                    columns = read_size(shape.As<Napi::Array>().Get(1u), what);
  if (columns != 0 && rows > std::numeric_limits<std::size_t>::max() / columns) {
    fail(value.Env(), "SHAPE_MISMATCH", what + " is too large");
  }
  expect(value.Env(), view.rows, rows * columns, "the number of elements of " + what);
  view.rows = rows;
  view.columns = columns;
  view.row_stride = static_cast<std::ptrdiff_t>(columns);
  view.column_stride = 1;
  return view;
}

std::vector<LayerView> read_layers(const Napi::Value& value, std::size_t inputs, AsyncCall& call) {
  if (!value.IsArray()) fail(value.Env(), "INVALID_ARGUMENT", "layers must be an array");
  const auto array = value.As<Napi::Array>();
  const Napi::Env env = value.Env();
  std::vector<LayerView> layers;
  std::size_t width = inputs;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const std::string where = "layer " + std::to_string(i) + ": ";
    const Napi::Object object = read_object(array.Get(i), where);
    const std::string type = read_string(object.Get("type"), where + "type");
    LayerView layer;
    if (type == "linear") {
      layer.weight = read_matrix(object.Get("weight"), where + "weight", call);
      expect(env, layer.weight.columns, width, where + "the number of columns of weight");
      width = layer.weight.rows;
      layer.bias = read_optional_column(object.Get("bias"), width, where + "bias", call);
    } else if (type == "bilinear") {
      layer.bilinear = true;
      layer.left = read_matrix(object.Get("left"), where + "left", call);
      layer.right = read_matrix(object.Get("right"), where + "right", call);
      const std::size_t units = layer.left.rows;
      expect(env, layer.left.columns, width, where + "the number of columns of left");
      expect(env, layer.right.columns, width, where + "the number of columns of right");
      expect(env, layer.right.rows, units, where + "the number of rows of right");
      std::size_t outputs = units;
      if (present(object.Get("down"))) {
        layer.down = read_matrix(object.Get("down"), where + "down", call);
        expect(env, layer.down.columns, units, where + "the number of columns of down");
        outputs = layer.down.rows;
      }
      layer.left_bias = read_optional_column(object.Get("leftBias"), units, where + "leftBias", call);
      layer.right_bias = read_optional_column(object.Get("rightBias"), units, where + "rightBias", call);
      layer.down_bias = read_optional_column(object.Get("downBias"), outputs, where + "downBias", call);
      layer.alpha = read_number(object.Get("alpha"), where + "alpha");
      layer.beta = read_number(object.Get("beta"), where + "beta");
      if (layer.alpha != 0) expect(env, outputs, width, where + "the width of a block with a residual");
      width = outputs;
    } else if (type == "attention") {
      read_attention(object, width, where, layer, call);
      width = layer.o.rows;
    } else {
      fail(env, "UNSUPPORTED_LAYER", where + "type " + type + " is not known to this backend");
    }
    layers.push_back(layer);
  }
  return layers;
}

WhitenedLaw read_law(const Napi::Value& value, std::size_t inputs, AsyncCall& call) {
  const Napi::Object object = read_object(value, "law");
  WhitenedLaw law;
  law.sigma = read_number(object.Get("sigma"), "sigma");
  law.mean = read_optional_column(object.Get("mean"), inputs, "mean", call);
  const Napi::Value factor = object.Get("factor");
  if (present(factor)) {
    const std::size_t columns = read_size(read_object(factor, "factor").Get("columns"), "columns");
    const MatrixView data = read_column(read_object(factor, "factor").Get("data"), "factor", call);
    if (inputs != 0 && columns > std::numeric_limits<std::size_t>::max() / inputs) {
      fail(value.Env(), "SHAPE_MISMATCH", "factor is too large");
    }
    expect(value.Env(), data.rows, inputs * columns, "the number of elements of factor");
    law.factor = data;
    law.factor.rows = inputs;
    law.factor.columns = columns;
    law.factor.row_stride = static_cast<std::ptrdiff_t>(columns);
    law.factor.column_stride = 1;
  }
  return law;
}

std::size_t read_size(const Napi::Value& value, const std::string& what) {
  const double number = read_number(value, what);
  constexpr double kMost = 9007199254740991.0;  // 2^53 − 1, what JavaScript counts exactly
  if (!(number >= 0) || number > kMost || number != std::floor(number)) {
    fail(value.Env(), "INVALID_ARGUMENT", what + " must be a non-negative integer");
  }
  return static_cast<std::size_t>(number);
}

std::string read_string(const Napi::Value& value, const std::string& what) {
  if (!value.IsString()) fail(value.Env(), "INVALID_ARGUMENT", what + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

Napi::Object read_object(const Napi::Value& value, const std::string& what) {
  if (!value.IsObject()) fail(value.Env(), "INVALID_ARGUMENT", what + " must be an object");
  return value.As<Napi::Object>();
}

DType read_dtype(const Napi::Value& value) {
  const std::string text = read_string(value, "dtype");
  if (text != "float64" && text != "float32") fail(value.Env(), "INVALID_ARGUMENT", "dtype must be float64 or float32");
  return text == "float64" ? DType::kFloat64 : DType::kFloat32;
}

}  // namespace tensim::addon
