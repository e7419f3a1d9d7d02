#pragma once

#include "grid.h"
#include "micro_tile.h"

namespace tensim::cuda {

// The end of a pair: slices[c] = factor · Σ_k left[c, k] right[c, k], in double, or factor · left[c, c] without
// `right`.
template <class T>
struct SliceTask {
  const T *left, *right;
  double* slices;
  std::uint64_t outputs, length, left_row, right_row;
  double factor;

  static constexpr unsigned kOutputs = 8;  // of a block
  std::uint64_t blocks() const { return (outputs + kOutputs - 1) / kOutputs; }
};

template <class T>
struct SliceKernel {
  static constexpr unsigned kThreads = SliceTask<T>::kOutputs * kLanes;
  using Arguments = TaskList<SliceTask<T>>;
  struct Shared {
    double parts[SliceTask<T>::kOutputs][kLanes];
  };
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const SliceTask<T> task = list.tasks[number];
    const std::uint64_t first = (block.index - list.first[number]) * SliceTask<T>::kOutputs;
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t c = first + thread / kLanes;
      double sum = 0;
      if (c < task.outputs && task.right != nullptr) {
        for (std::uint64_t k = thread % kLanes; k < task.length; k += kLanes) {
          sum += static_cast<double>(task.left[c * task.left_row + k]) *
                 static_cast<double>(task.right[c * task.right_row + k]);
        }
      }
      shared.parts[thread / kLanes][thread % kLanes] = sum;
    });
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t c = first + thread / kLanes;
      if (thread % kLanes != 0 || c >= task.outputs) return;
      double sum = task.right == nullptr ? static_cast<double>(task.left[c * task.left_row + c]) : 0;
      for (unsigned lane = 0; lane < kLanes; ++lane) sum += shared.parts[thread / kLanes][lane];
      task.slices[c] = task.factor * sum;
    });
  }
};

}  // namespace tensim::cuda
