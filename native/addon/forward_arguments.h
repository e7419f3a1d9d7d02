#pragma once

#include <napi.h>

#include <cstdint>
#include <vector>

#include "../layers/layer.h"
#include "arguments.h"

namespace tensim::addon {

// A ForwardSource (lib/backend/forward.ts).
struct ForwardArguments {
  std::vector<LayerView> layers;
  std::size_t positions = 1, features = 0;
  bool tokens = false;
};
ForwardArguments read_forward(const Napi::Value& value, AsyncCall& call);

// Inputs of a forward pass.
struct InputArguments {
  MatrixView vectors;                // a column, unless they are tokens
  std::vector<std::int32_t> tokens;  // copied, because nothing else keeps JavaScript from changing an id once checked
  std::size_t batch = 0;
};

// For a pass that takes `size` numbers or ids, of `vocabulary` tokens, per input.
InputArguments read_inputs(const Napi::Value& value, bool tokens, std::size_t size, std::size_t vocabulary,
                           AsyncCall& call);

// Numbers of the outputs of a batch, of elements of so many bytes.
std::size_t output_count(Napi::Env env, std::size_t batch, std::size_t per_input, std::size_t bytes);

}  // namespace tensim::addon
