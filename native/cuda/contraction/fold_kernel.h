#pragma once

#include "loops.h"

namespace tensim::cuda {

// Adds up the parts of long sums in their order and puts the sums where they belong, a thread for each. Parts are
// (parts, count).
template <class T, class Part>
struct FoldKernel {
  static constexpr unsigned kThreads = 256;

  struct Arguments {
    const Part* values;
    std::uint64_t parts, count;
    T* out;
    double factor;
    std::uint32_t accumulate;
    std::uint32_t kept;  // loops of the output: the first of the list
    LoopList list;
  };
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t at = block.index * kThreads + thread;
      if (at >= arguments.count) return;
      const Part* const values = arguments.values + at;
      double sum = 0;
      // Those taken together are read before the first of them is added.
      constexpr unsigned kTogether = 8;
      std::uint64_t part = 0;
      for (; part + kTogether <= arguments.parts; part += kTogether) {
        Part read[kTogether];
        TENSIM_UNROLL
        for (unsigned n = 0; n < kTogether; ++n) read[n] = values[(part + n) * arguments.count];
        TENSIM_UNROLL
        for (unsigned n = 0; n < kTogether; ++n) sum += static_cast<double>(read[n]);
      }
      for (; part < arguments.parts; ++part) sum += static_cast<double>(values[part * arguments.count]);
      T& out = arguments.out[offsets_at(arguments.list, 0, arguments.kept, at).out];
      const double value = arguments.factor * sum;
      out = static_cast<T>(arguments.accumulate != 0 ? static_cast<double>(out) + value : value);
    });
  }
};

}  // namespace tensim::cuda
