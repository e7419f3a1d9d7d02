#pragma once

#include "../grid.h"

namespace tensim::cuda {

// data *= factor, element by element; zeros, whatever is there, if the factor is 0.
template <class T>
struct ScaleKernel {
  static constexpr unsigned kThreads = 256;

  struct Arguments {
    T* data;
    std::uint64_t elements;
    T factor;
  };
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t step = block.count * kThreads;
      for (std::uint64_t at = block.index * kThreads + thread; at < arguments.elements; at += step) {
        arguments.data[at] = arguments.factor == T(0) ? T(0) : arguments.data[at] * arguments.factor;
      }
    });
  }
};

// The largest magnitude that every block finds; a NaN is none.
template <class T>
struct LargestKernel {
  static constexpr unsigned kThreads = 256;

  struct Arguments {
    const T* data;
    std::uint64_t elements;
    double* largest;  // (blocks)
  };
  struct Shared {
    T largest[kThreads];
  };
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t step = block.count * kThreads;
      T most = 0;
      for (std::uint64_t at = block.index * kThreads + thread; at < arguments.elements; at += step) {
        const T x = arguments.data[at], magnitude = x < T(0) ? -x : x;
        if (magnitude > most) most = magnitude;
      }
      shared.largest[thread] = most;
    });
    block.each_thread([&](unsigned thread, Registers&) {
      if (thread > 0) return;
      T most = 0;
      for (unsigned n = 0; n < kThreads; ++n) {
        if (shared.largest[n] > most) most = shared.largest[n];
      }
      arguments.largest[block.index] = static_cast<double>(most);
    });
  }
};

}  // namespace tensim::cuda
