#pragma once

#include "../grid.h"
#include "../micro_tile.h"

namespace tensim::cuda {

// What of E U°_k V°_k U'°_j V'°_j is not separated (MATH.md section 5), for some units k of ours and all j of theirs:
//
//   16 tr(U_k U'_j V_k V'_j) + 4 [a_U V' · a_U' V + a_U U' · a_V' V + a_V V' · a_U' U + a_V U' · a_V' U]
//   + κ(U, U') κ(V, V') + κ(U, V') κ(V, U')
template <class T>
struct TraceTask {
  const T *left, *right;   // U_k U'_j, (units·rank, units'·rank), and V'_j V_k, (units'·rank, units·rank)
  const T* covariance;     // κ of all of ours with all of theirs, (2·all, 2·units')
  const T *ours, *theirs;  // a_U, a_V times forms of theirs, (2·all, 2·units'·rank), and the other way round; or null
  double* fourth;          // (all, units')
  std::uint64_t first, units, all, units2, rank;  // units of ours: [first, first + units)

  std::uint64_t blocks() const { return units * units2; }
};

// The threads' numbers added up in their order.
template <unsigned kCount>
TENSIM_KERNEL double sum_of(const double (&values)[kCount]) {
  double sum = 0;
  for (unsigned n = 0; n < kCount; ++n) sum += values[n];
  return sum;
}

template <class T>
struct TraceKernel {
  static constexpr unsigned kThreads = 128;
  using Arguments = TaskList<TraceTask<T>>;
  struct Shared {
    double sums[kThreads];
  };
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const TraceTask<T> task = list.tasks[number];
    const std::uint64_t place = block.index - list.first[number], k = place / task.units2, j = place % task.units2;
    const std::uint64_t r = task.rank, h = task.all, h2 = task.units2, own = task.first + k;
    block.each_thread([&](unsigned thread, Registers&) {
      double sum = 0;
      for (std::uint64_t at = thread; at < r * r; at += kThreads) {
        const std::uint64_t x = at / r, y = at % r;
        sum += static_cast<double>(task.left[(k * r + x) * h2 * r + j * r + y]) *
               static_cast<double>(task.right[(j * r + x) * task.units * r + k * r + y]);
      }
      sum *= 16;
      for (std::uint64_t x = thread; task.ours != nullptr && x < r; x += kThreads) {
        const auto ours = [&](std::uint64_t vector, std::uint64_t form) {
          return static_cast<double>(task.ours[(vector * h + own) * 2 * h2 * r + (form * h2 + j) * r + x]);
        };
        const auto theirs = [&](std::uint64_t vector, std::uint64_t form) {
          return static_cast<double>(task.theirs[(vector * h2 + j) * 2 * h * r + (form * h + own) * r + x]);
        };
        sum += 4 * (ours(0, 1) * theirs(0, 1) + ours(0, 0) * theirs(1, 1) + ours(1, 1) * theirs(0, 0) +
                    ours(1, 0) * theirs(1, 0));
      }
      shared.sums[thread] = sum;
    });
    block.each_thread([&](unsigned thread, Registers&) {
      if (thread != 0) return;
      const auto covariance = [&](std::uint64_t form, std::uint64_t form2) {
        return static_cast<double>(task.covariance[(form * h + own) * 2 * h2 + form2 * h2 + j]);
      };
      task.fourth[own * h2 + j] =
          sum_of(shared.sums) + covariance(0, 0) * covariance(1, 1) + covariance(0, 1) * covariance(1, 0);
    });
  }
};

// The end of a pair of chains of two blocks: for every output
//
//   factor · (mean mean' + 2 ⟨second, second'⟩ − 2 ⟨R, R'⟩ + first · first' + Σ_kj D_ck D'_cj fourth_kj)
template <class T>
struct TwoBlockSliceTask {
  const double *down, *down2, *fourth, *mean, *mean2;
  const T *forms, *forms2, *vectors, *vectors2;  // of outputs: second and R, first
  double* slices;
  std::uint64_t units, units2, rank, outputs;
  double factor;

  std::uint64_t blocks() const { return outputs; }
};

template <class T>
struct TwoBlockSliceKernel {
  static constexpr unsigned kThreads = 256;
  using Arguments = TaskList<TwoBlockSliceTask<T>>;
  struct Shared {
    double sums[kThreads];
  };
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const TwoBlockSliceTask<T> task = list.tasks[number];
    const std::uint64_t c = block.index - list.first[number], square = task.rank * task.rank;
    block.each_thread([&](unsigned thread, Registers&) {
      const auto product = [](const T* a, const T* b, std::uint64_t at) {
        return static_cast<double>(a[at]) * static_cast<double>(b[at]);
      };
      const std::uint64_t second = c * square, ring = (task.outputs + c) * square;
      double sum = 0;
      for (std::uint64_t at = thread; at < task.units * task.units2; at += kThreads) {
        sum += task.down[c * task.units + at / task.units2] * task.fourth[at] *
               task.down2[c * task.units2 + at % task.units2];
      }
      for (std::uint64_t at = thread; at < square; at += kThreads) {
        sum += 2 * (product(task.forms, task.forms2, second + at) - product(task.forms, task.forms2, ring + at));
      }
      for (std::uint64_t at = thread; at < task.rank; at += kThreads) {
        sum += product(task.vectors, task.vectors2, c * task.rank + at);
      }
      shared.sums[thread] = sum;
    });
    block.each_thread([&](unsigned thread, Registers&) {
      if (thread == 0) task.slices[c] = task.factor * (task.mean[c] * task.mean2[c] + sum_of(shared.sums));
    });
  }
};

}  // namespace tensim::cuda
