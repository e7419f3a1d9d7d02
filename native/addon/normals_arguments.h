#pragma once

#include <napi.h>

#include "../gaussian/normals.h"
#include "arguments.h"

namespace tensim::addon {

// Samples of a stream: key0, key1, dimension, first, count.
struct NormalsArguments {
  NormalStream stream;
  std::uint32_t first = 0;
  std::size_t count = 0;

  std::size_t numbers() const { return count * stream.dimension; }
};

// From argument `at` of a call on.
NormalsArguments read_normals(const Napi::CallbackInfo& info, std::size_t at);

}  // namespace tensim::addon
