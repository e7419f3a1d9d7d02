#include "arguments.h"

#include <cmath>
#include <limits>

#include "environment.h"

namespace tensim::addon {

bool present(const Napi::Value& value) {
  return !value.IsUndefined() && !value.IsNull();
}

void fail(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Value().Set("code", code);
  throw error;
}

MatrixView read_column(const Napi::Value& value, const std::string& what, AsyncCall& call) {
  if (!value.IsTypedArray()) fail(value.Env(), "INVALID_ARGUMENT", what + " must be a Float64Array or a Float32Array");
  const ArrayView array = Environment::of(value.Env()).stores().hold(value.As<Napi::TypedArray>(), what);
  if (array.owner != nullptr) call.keep(array.owner);
  MatrixView view;
  view.dtype = array.dtype;
  view.data = array.data;
  view.rows = array.length;
  view.columns = 1;
  view.row_stride = 1;
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

double read_number(const Napi::Value& value, const std::string& what) {
  if (!value.IsNumber()) fail(value.Env(), "INVALID_ARGUMENT", what + " must be a number");
  return value.As<Napi::Number>().DoubleValue();
}

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

std::size_t read_count(const Napi::Value& value, const std::string& what) {
  const std::size_t count = read_size(value, what);
  if (count == 0) fail(value.Env(), "INVALID_ARGUMENT", what + " must be at least 1");
  return count;
}

Method read_method(const Napi::Value& value) {
  const std::string text = read_string(value, "method");
  if (text == "one-block") return Method::kOneBlock;
  if (text == "hidden") return Method::kHidden;
  if (text == "two-block") return Method::kTwoBlock;
  if (text == "closure") return Method::kClosure;
  if (text == "tensor") return Method::kTensor;
  fail(value.Env(), "INVALID_ARGUMENT", "method must be one-block, hidden, two-block, closure or tensor");
}

Route read_route(const Napi::Value& value) {
  if (!present(value)) return Route::kFactor;
  const std::string text = read_string(value, "route");
  if (text == "factor") return Route::kFactor;
  if (text == "unfolded") return Route::kUnfolded;
  if (text == "dense") return Route::kDense;
  fail(value.Env(), "INVALID_ARGUMENT", "route must be factor, unfolded or dense");
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
