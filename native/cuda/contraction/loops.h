#pragma once

#include "../grid.h"
#include "../interface.h"

namespace tensim::cuda {

// The loops of a step as a kernel is given them, by value: only those larger than 1, so there are never more.
struct LoopList {
  std::uint32_t count;
  TensimCudaLoop loops[TENSIM_CUDA_LOOPS_MOST];
};

struct Offsets {
  std::int64_t a = 0, b = 0, out = 0;
};

// Divides, and leaves the remainder; most numbers are small, and dividing those takes a third of the time.
TENSIM_KERNEL std::uint64_t divided(std::uint64_t& number, std::uint64_t by) {
  std::uint64_t quotient;
  if ((number | by) >> 32 == 0) {
    const auto small = static_cast<std::uint32_t>(number), divisor = static_cast<std::uint32_t>(by);
    quotient = small / divisor;
    number = small - static_cast<std::uint32_t>(quotient) * divisor;
  } else {
    quotient = number / by;
    number -= quotient * by;
  }
  return quotient;
}

// The offsets of one combination of the loops begin … end − 1 by its flat index, the last loop fastest.
TENSIM_KERNEL Offsets offsets_at(const LoopList& list, std::uint32_t begin, std::uint32_t end, std::uint64_t index) {
  Offsets at;
  for (std::uint32_t l = end; l > begin; --l) {
    const TensimCudaLoop& loop = list.loops[l - 1];
    std::uint64_t digit = index;
    if (l - 1 > begin) index = divided(digit, loop.size);
    const auto place = static_cast<std::int64_t>(digit);
    at.a += place * loop.a;
    at.b += place * loop.b;
    at.out += place * loop.out;
  }
  return at;
}

}  // namespace tensim::cuda
