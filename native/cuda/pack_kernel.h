#pragma once

#include "pair_kernel.h"

namespace tensim::cuda {

// Puts L and R (units, depth) into panels (tile_product.h), a chunk per thread.
template <class T>
struct PackRowsKernel {
  static constexpr unsigned kThreads = 256;
  using Chunk = typename TileProduct<T>::Chunk;

  struct Arguments {
    const double *left, *right;
    std::uint64_t units, depth;
    std::uint64_t steps, chunks;  // of a panel, and in all
    Chunk* panels;
  };
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t chunk = block.index * kThreads + thread;
      if (chunk >= arguments.chunks) return;
      const unsigned place = static_cast<unsigned>(chunk % kStepChunks), in_panel = place / 8;
      const std::uint64_t step = chunk / kStepChunks % arguments.steps;
      const std::uint64_t unit = chunk / kStepChunks / arguments.steps * kPanelUnits + in_panel;
      const bool right = ((place / 4 ^ in_panel) & 1) != 0;
      const double* const row = (right ? arguments.right : arguments.left) + unit * arguments.depth;
      const std::uint64_t k = step * kStep<T> + place % 4 * kChunk<T>;
      TENSIM_UNROLL
      for (unsigned n = 0; n < kChunk<T>; ++n) {
        const bool there = unit < arguments.units && k + n < arguments.depth;
        arguments.panels[chunk].elements[n] = there ? static_cast<T>(row[k + n]) : T(0);
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
