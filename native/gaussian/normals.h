#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/context.h"

namespace tensim {

// A stream of random inputs (lib/backend/backend.ts): `dimension` standard normal numbers for every sample.
struct NormalStream {
  std::uint32_t key0 = 0, key1 = 0;
  std::size_t dimension = 0;
};

// (count, dimension) numbers, those of samples first … first + count − 1, into `out`. Each depends on the stream and
// its own place alone.
void normals(const Context& context, const NormalStream& stream, std::uint32_t first, std::size_t count, double* out);

}  // namespace tensim
