#pragma once

#include "pair_kernel.h"

namespace tensim::cuda {

// Puts rows L and R into panels (tile_product.h), a pair of pieces per thread: element k of the rows of pair u is at
// [u·row_stride + k·step_stride].
template <class T>
struct PackRowsKernel {
  static constexpr unsigned kThreads = 256;

  struct Arguments {
    const double *left, *right;
    std::uint64_t left_count, right_count, depth;
    std::uint64_t row_stride, step_stride;
    std::uint64_t steps, pairs;  // of a panel, and in all
    PiecePair<T>* panels;
  };
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t pair = block.index * kThreads + thread;
      if (pair >= arguments.pairs) return;
      const unsigned place = static_cast<unsigned>(pair % kStepPairs<T>);
      const std::uint64_t step = pair / kStepPairs<T> % arguments.steps;
      const std::uint64_t unit = pair / kStepPairs<T> / arguments.steps * kPanelUnits + place / 4 % kPanelUnits;
      const unsigned p = place / (4 * kPanelUnits) * 4 + place % 4;
      TENSIM_UNROLL
      for (unsigned n = 0; n < 2 * kPiece<T>; ++n) {
        const unsigned s = n / kPiece<T>, e = n % kPiece<T>;
        const std::uint64_t k = step * kStep + p * kPiece<T> + e;
        const bool there = unit < (s == 0 ? arguments.left_count : arguments.right_count) && k < arguments.depth;
        const double* const rows = s == 0 ? arguments.left : arguments.right;
        arguments.panels[pair].elements[s][e] =
            there ? static_cast<T>(rows[unit * arguments.row_stride + k * arguments.step_stride]) : T(0);
      }
    });
  }
};

// Puts D (outputs, units) beside them (pair_kernel.h), an element per thread.
struct PackWeightsKernel {
  static constexpr unsigned kThreads = 256;

  struct Arguments {
    const double* down;
    std::uint64_t units, outputs, octets;
    std::uint64_t size;  // of what is written
    double* weights;
  };
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t place = block.index * kThreads + thread, rows = arguments.octets * kOctet;
      if (place >= arguments.size) return;
      const std::uint64_t output = place / kPanelUnits % rows;
      const std::uint64_t unit = place / kPanelUnits / rows * kPanelUnits + place % kPanelUnits;
      const bool there = unit < arguments.units && output < arguments.outputs;
      arguments.weights[place] = there ? arguments.down[output * arguments.units + unit] : 0;
    });
  }
};

}  // namespace tensim::cuda
