#pragma once

#include "grid.h"
#include "micro_tile.h"

namespace tensim::cuda {

// The element-wise step of bilinear blocks (MATH.md section 6): with P = [L; R] C [L'; R']ᵀ of one pair of positions,
//
//   S = Σ_g C_uu' ⊙ C_vv' + C_uv' ⊙ C_vu',        (units, units')
//
// summed over `segments` of such P, one after the other.
template <class T>
struct SquareTask {
  const T* products;  // (segments, 2·units, 2·units')
  T* squares;
  std::uint64_t units, units2, segments;

  static constexpr unsigned kArea = 1024;
  std::uint64_t blocks() const { return (units * units2 + kArea - 1) / kArea; }
};

template <class T>
struct SquareKernel {
  static constexpr unsigned kThreads = 256;
  using Arguments = TaskList<SquareTask<T>>;
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const SquareTask<T> task = list.tasks[number];
    const std::uint64_t begin = (block.index - list.first[number]) * SquareTask<T>::kArea;
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t h = task.units, h2 = task.units2;
      for (std::uint64_t at = begin + thread; at < begin + SquareTask<T>::kArea && at < h * h2; at += kThreads) {
        const std::uint64_t i = at / h2, j = at % h2;
        T sum = 0;
        for (std::uint64_t g = 0; g < task.segments; ++g) {
          const T* const u = task.products + (g * 2 * h + i) * 2 * h2 + j;
          const T* const v = u + h * 2 * h2;
          sum += u[0] * v[h2] + u[h2] * v[0];
        }
        task.squares[at] = sum;
      }
    });
  }
};

}  // namespace tensim::cuda
