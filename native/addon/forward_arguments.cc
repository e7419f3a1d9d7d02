#include "forward_arguments.h"

#include <limits>

#include "layers/layer_reader.h"

namespace tensim::addon {
namespace {

std::vector<std::int32_t> read_tokens(const Napi::Value& inputs, std::size_t vocabulary) {
  const Napi::Env env = inputs.Env();
  if (!inputs.IsTypedArray() || inputs.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array)
    fail(env, "INVALID_ARGUMENT", "tokens must be an Int32Array");
  const auto array = inputs.As<Napi::Int32Array>();
  if (!array.ArrayBuffer().IsArrayBuffer() || array.ArrayBuffer().IsDetached())
    fail(env, "INVALID_ARGUMENT", "tokens lie in a shared or detached buffer");
  std::vector<std::int32_t> tokens(array.Data(), array.Data() + array.ElementLength());
  for (const std::int32_t token : tokens) {
    if (token < 0 || static_cast<std::size_t>(token) >= vocabulary)
      fail(env, "INVALID_ARGUMENT", "token " + std::to_string(token) + " is not in the vocabulary");
  }
  return tokens;
}

}  // namespace

ForwardArguments read_forward(const Napi::Value& value, AsyncCall& call) {
  constexpr std::size_t kMostPositions = std::size_t{1} << 31;  // attention scores every pair of them
  const Napi::Env env = value.Env();
  const Napi::Object source = read_object(value, "source");
  ForwardArguments read;
  read.positions = read_size(source.Get("positions"), "positions");
  read.features = read_size(source.Get("features"), "features");
  if (read.positions == 0 || read.features == 0) fail(env, "INVALID_ARGUMENT", "a model has positions and features");
  read.layers = read_layers(source.Get("layers"), read.features, call);
  read.tokens = read_string(source.Get("input"), "input") == "tokens";
  if (read.layers.empty()) fail(env, "INVALID_ARGUMENT", "a model has layers");
  expect_countable(env, read.layers, read.features, read.positions, false);
  if (read.positions > kMostPositions) fail(env, "MEMORY_LIMIT", "the positions are too many");
  if (read.tokens && !std::holds_alternative<LinearView>(read.layers.front()))
    fail(env, "UNSUPPORTED_LAYER", "tokens need a first layer that is linear");
  return read;
}

InputArguments read_inputs(const Napi::Value& value, bool tokens, std::size_t size, std::size_t vocabulary,
                           AsyncCall& call) {
  InputArguments read;
  if (tokens) {
    read.tokens = read_tokens(value, vocabulary);
  } else {
    read.vectors = read_column(value, "inputs", call);
  }
  const std::size_t length = tokens ? read.tokens.size() : read.vectors.rows;
  if (length % size != 0) fail(value.Env(), "SHAPE_MISMATCH", "the inputs are no whole number of inputs");
  read.batch = length / size;
  return read;
}

std::size_t output_count(Napi::Env env, std::size_t batch, std::size_t per_input, std::size_t bytes) {
  if (batch != 0 && per_input > std::numeric_limits<std::size_t>::max() / bytes / batch)
    fail(env, "MEMORY_LIMIT", "the outputs are too many");
  return batch * per_input;
}

}  // namespace tensim::addon
