#pragma once

#include "grid.h"

namespace tensim::cuda {

// Adds up what the blocks of another kernel have written, in order: a group is a matrix of parts, row after row, of
// each of which the first `width` values are taken.
struct SumKernel {
  static constexpr unsigned kThreads = 256;

  struct Group {
    std::uint64_t first, stride;  // the first part, and how many further the next row begins
    std::uint32_t rows, columns;
  };

  struct Arguments {
    const double* parts;
    std::uint64_t part_size;
    const Group* groups;
    std::uint64_t group_count, width;
    std::uint64_t together;  // groups whose values lie side by side; divides their number
    double* sums;            // (groups / together, width, together)
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
      if (place >= arguments.group_count * width) return;
      // Read side by side.
      const std::uint64_t set = place / (width * arguments.together), member = place / width % arguments.together;
      const Group group = arguments.groups[set * arguments.together + member];
      double sum = 0;
      for (std::uint32_t row = 0; row < group.rows; ++row) {
        const double* const parts =
            arguments.parts + (group.first + row * group.stride) * arguments.part_size + place % width;
        for (std::uint32_t column = 0; column < group.columns; ++column) sum += parts[column * arguments.part_size];
      }
      arguments.sums[(set * width + place % width) * arguments.together + member] = sum;
    });
  }
};

}  // namespace tensim::cuda
