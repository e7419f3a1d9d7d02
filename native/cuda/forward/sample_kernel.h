#pragma once

#include "../grid.h"

namespace tensim::cuda {

// What every input adds to the products of pairs of vectors of outputs.
struct SampleProductsTask {
  const double* const* vectors;
  const std::uint32_t* pairs;  // (pairs, 2): places in `vectors`
  std::uint64_t pair_count, inputs, positions, outputs;
  std::uint64_t row_stride, output_stride;  // of a vector
  std::uint32_t per_output;
  double* sums;  // (pairs, inputs, 1), or (pairs, inputs, outputs) if `per_output`
};

// A warp's worth of threads adds up the numbers of one input: every thread a part of them in order, the parts in order.
struct SampleProductsKernel {
  static constexpr unsigned kThreads = 128, kTogether = 32, kInputs = kThreads / kTogether;
  using Arguments = SampleProductsTask;
  struct Shared {
    double parts[kInputs][kTogether];
  };
  struct Registers {};

  static std::uint64_t blocks(const Arguments& task) {
    return task.pair_count * ((task.inputs + kInputs - 1) / kInputs);
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& task) {
    const std::uint64_t across = (task.inputs + kInputs - 1) / kInputs, pair = block.index / across;
    const std::uint64_t first = block.index % across * kInputs;
    const double* const a = task.vectors[task.pairs[2 * pair]];
    const double* const b = task.vectors[task.pairs[2 * pair + 1]];
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t input = first + thread / kTogether, row = input * task.positions;
      if (input >= task.inputs) return;
      double sum = 0;
      if (task.per_output != 0) {
        for (std::uint64_t c = thread % kTogether; c < task.outputs; c += kTogether) {
          sum = 0;
          for (std::uint64_t p = 0; p < task.positions; ++p) {
            const std::uint64_t at = (row + p) * task.row_stride + c * task.output_stride;
            sum += a[at] * b[at];
          }
          task.sums[(pair * task.inputs + input) * task.outputs + c] = sum;
        }
        return;
      }
      for (std::uint64_t p = 0; p < task.positions; ++p) {
        for (std::uint64_t c = thread % kTogether; c < task.outputs; c += kTogether) {
          const std::uint64_t at = (row + p) * task.row_stride + c * task.output_stride;
          sum += a[at] * b[at];
        }
      }
      shared.parts[thread / kTogether][thread % kTogether] = sum;
    });
    if (task.per_output != 0) return;
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t input = first + thread;
      if (thread >= kInputs || input >= task.inputs) return;
      double sum = 0;
      for (unsigned i = 0; i < kTogether; ++i) sum += shared.parts[thread][i];
      task.sums[pair * task.inputs + input] = sum;
    });
  }
};

}  // namespace tensim::cuda
