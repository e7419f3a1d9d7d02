#pragma once

#include "grid.h"

namespace tensim::cuda {

// Adds up what the blocks of another kernel have written, in order: group g is the blocks [first[g], first[g + 1]), each with `width`
// values.
struct SumKernel {
  static constexpr unsigned kThreads = 256;

  struct Arguments {
    const double* parts;         // (blocks, width)
    const std::uint64_t* first;  // groups + 1
    std::uint64_t groups, width;
    double* sums;  // (groups, width)
  };

  struct Shared {};
  struct Registers {};

  // Blocks of this kernel for so many groups.
  static std::uint64_t blocks(std::uint64_t groups, std::uint64_t width) {
    return (groups * width + kThreads - 1) / kThreads;
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t place = block.index * kThreads + thread, width = arguments.width;
      if (place >= arguments.groups * width) return;
      const std::uint64_t group = place / width;
      double sum = 0;
      for (std::uint64_t part = arguments.first[group]; part < arguments.first[group + 1]; ++part) {
        sum += arguments.parts[part * width + place % width];
      }
      arguments.sums[place] = sum;
    });
  }
};

}  // namespace tensim::cuda
