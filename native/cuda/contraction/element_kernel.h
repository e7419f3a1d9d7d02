#pragma once

#include "loops.h"

namespace tensim::cuda {

// A product element by element: a thread sums one element of the output, in double. For products too small for tiles.
template <class T>
struct ElementKernel {
  static constexpr unsigned kThreads = 256;

  struct Arguments {
    const T *a, *b;
    T* out;
    const std::int64_t *depth_a, *depth_b;
    std::uint64_t depth, first, end;  // elements of the output in this launch
    double factor;
    std::uint32_t accumulate;
    std::uint32_t kept;  // how many loops the output has: the first of the list
    LoopList list;
  };
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t at = arguments.first + block.index * kThreads + thread;
      if (at >= arguments.end) return;
      const Offsets place = offsets_at(arguments.list, 0, arguments.kept, at);
      const T *const a = arguments.a + place.a, *const b = arguments.b + place.b;
      double sum = 0;
      for (std::uint64_t k = 0; k < arguments.depth; ++k) {
        sum += static_cast<double>(a[arguments.depth_a[k]]) * static_cast<double>(b[arguments.depth_b[k]]);
      }
      T& out = arguments.out[place.out];
      const double value = arguments.factor * sum;
      out = static_cast<T>(arguments.accumulate != 0 ? static_cast<double>(out) + value : value);
    });
  }
};

}  // namespace tensim::cuda
