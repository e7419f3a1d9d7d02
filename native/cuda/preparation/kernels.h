#pragma once

#include "../grid.h"
#include "../micro_tile.h"

namespace tensim::cuda {

// What the closure prepares of one chain, beside products of matrices (native/gaussian/bilinear_step.cc): means are
// doubles throughout, as on the host.

// y = offset + A x + plus_factor · p at every position, or offset + factor · x + … where there is no A: what means go
// through. A stride of zero from position to position means that one stands for all; what is null is zero.
template <class T>
struct MeanMapTask {
  const T* matrix;  // (rows, columns)
  const double *x, *offset, *plus;
  std::uint64_t matrix_position, x_position, offset_position, plus_position;
  double factor, plus_factor;
  double* y;   // (positions, rows), or null
  T* rounded;  // the same, or null
  std::uint64_t positions, rows, columns;

  static constexpr unsigned kRows = 8;  // of a block
  std::uint64_t blocks() const { return (positions * rows + kRows - 1) / kRows; }
};

template <class T>
struct MeanMapKernel {
  static constexpr unsigned kThreads = MeanMapTask<T>::kRows * kLanes;
  using Arguments = TaskList<MeanMapTask<T>>;
  struct Shared {
    double parts[MeanMapTask<T>::kRows][kLanes];
  };
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const MeanMapTask<T> task = list.tasks[number];
    const std::uint64_t first = (block.index - list.first[number]) * MeanMapTask<T>::kRows;
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t at = first + thread / kLanes, s = at / task.rows, i = at % task.rows;
      double sum = 0;
      if (at < task.positions * task.rows && task.matrix != nullptr && task.x != nullptr) {
        const T* const row = task.matrix + s * task.matrix_position + i * task.columns;
        const double* const x = task.x + s * task.x_position;
        for (std::uint64_t j = thread % kLanes; j < task.columns; j += kLanes)
          sum += static_cast<double>(row[j]) * x[j];
      }
      shared.parts[thread / kLanes][thread % kLanes] = sum;
    });
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t at = first + thread / kLanes, s = at / task.rows, i = at % task.rows;
      if (thread % kLanes != 0 || at >= task.positions * task.rows) return;
      double sum = task.offset == nullptr ? 0 : task.offset[s * task.offset_position + i];
      for (unsigned lane = 0; lane < kLanes; ++lane) sum += shared.parts[thread / kLanes][lane];
      if (task.matrix == nullptr && task.x != nullptr) sum += task.factor * task.x[s * task.x_position + i];
      if (task.plus != nullptr) sum += task.plus_factor * task.plus[s * task.plus_position + i];
      if (task.y != nullptr) task.y[at] = sum;
      if (task.rounded != nullptr) task.rounded[at] = static_cast<T>(sum);
    });
  }
};

// Units of a bilinear block at every position, u and v their means:
//
//   y_i = u_i v_i + (L C)_i · R_i                 slopes_i = factor · (v_i L_i + u_i R_i)
//
// the latter side by side for all positions.
template <class T>
struct UnitMomentTask {
  const double* uv;  // (positions, 2·units), or null: zeros
  const T* factors;  // (2·units, width)
  const T* moved;    // L C, (positions, units, width)
  double* y;         // (positions, units)
  T* slopes;         // (units, positions·width), or null
  std::uint64_t positions, units, width;
  double factor;

  static constexpr unsigned kUnits = 8;  // of a block
  std::uint64_t blocks() const { return (positions * units + kUnits - 1) / kUnits; }
};

template <class T>
struct UnitMomentKernel {
  static constexpr unsigned kThreads = UnitMomentTask<T>::kUnits * kLanes;
  using Arguments = TaskList<UnitMomentTask<T>>;
  struct Shared {
    double parts[UnitMomentTask<T>::kUnits][kLanes];
  };
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const UnitMomentTask<T> task = list.tasks[number];
    const std::uint64_t first = (block.index - list.first[number]) * UnitMomentTask<T>::kUnits, h = task.units;
    const auto mean_of = [&](std::uint64_t s, std::uint64_t row) {
      return task.uv == nullptr ? 0 : task.uv[s * 2 * h + row];
    };
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t at = first + thread / kLanes, s = at / h, i = at % h;
      double sum = 0;
      if (at < task.positions * h) {
        const T *const left = task.factors + i * task.width, *const right = left + h * task.width,
                       *const moved = task.moved + at * task.width;
        const T u = static_cast<T>(task.factor * mean_of(s, i)), v = static_cast<T>(task.factor * mean_of(s, h + i));
        T* const slopes = task.slopes == nullptr ? nullptr : task.slopes + (i * task.positions + s) * task.width;
        for (std::uint64_t j = thread % kLanes; j < task.width; j += kLanes) {
          sum += static_cast<double>(moved[j]) * static_cast<double>(right[j]);
          if (slopes != nullptr) slopes[j] = v * left[j] + u * right[j];
        }
      }
      shared.parts[thread / kLanes][thread % kLanes] = sum;
    });
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t at = first + thread / kLanes, s = at / h, i = at % h;
      if (thread % kLanes != 0 || at >= task.positions * h) return;
      double sum = mean_of(s, i) * mean_of(s, h + i);
      for (unsigned lane = 0; lane < kLanes; ++lane) sum += shared.parts[thread / kLanes][lane];
      task.y[at] = sum;
    });
  }
};

// α I, added to each of some matrices that lie side by side.
template <class T>
struct IdentityTask {
  T* matrices;  // (size, count·size)
  std::uint64_t size, count;
  T factor;

  static constexpr unsigned kElements = 256;  // of a block
  std::uint64_t blocks() const { return (size * count + kElements - 1) / kElements; }
};

template <class T>
struct IdentityKernel {
  static constexpr unsigned kThreads = IdentityTask<T>::kElements;
  using Arguments = TaskList<IdentityTask<T>>;
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const IdentityTask<T> task = list.tasks[number];
    block.alone([&](unsigned thread, Registers&) {
      const std::uint64_t at = (block.index - list.first[number]) * IdentityTask<T>::kElements + thread;
      if (at >= task.size * task.count) return;
      const std::uint64_t i = at % task.size, s = at / task.size;
      task.matrices[i * task.count * task.size + s * task.size + i] += task.factor;
    });
  }
};

// The projections of attention at every position, turned as rotary embedding does there; their biases, which are a
// column more, are not rounded.
template <class T>
struct RotaryTask {
  const T* weights;     // (5, heads·size, width)
  const double* bias;   // (5, heads·size), or null
  const double* turns;  // cos and sin, (positions, size / 2, 2), or null: nothing turns
  T* projection;        // (positions, heads, 5, size, width)
  double* turned_bias;  // (positions, heads, 5, size), with `bias`
  std::uint64_t positions, heads, size, width;

  std::uint64_t rows() const { return positions * heads * 5 * size; }
  std::uint64_t blocks() const { return rows(); }
};

template <class T>
struct RotaryKernel {
  static constexpr unsigned kThreads = 128;
  static constexpr unsigned kKinds = 5, kValue = 4;
  using Arguments = TaskList<RotaryTask<T>>;
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const RotaryTask<T> task = list.tasks[number];
    const std::uint64_t row = block.index - list.first[number], e = row % task.size, half = task.size / 2;
    const std::uint64_t kind = row / task.size % kKinds, head = row / task.size / kKinds % task.heads,
                        s = row / task.size / kKinds / task.heads;
    const std::uint64_t from = (kind * task.heads + head) * task.size + e;
    // Feature e turns with the one half a head away; the last of an odd number does not.
    const bool turns = task.turns != nullptr && kind != kValue && e < 2 * half;
    const std::uint64_t other = e < half ? from + half : from - half;
    const double* const turn = turns ? task.turns + (s * half + e % half) * 2 : nullptr;
    const auto turned = [&](double own, double beside) {
      return e < half ? own * turn[0] - beside * turn[1] : own * turn[0] + beside * turn[1];
    };
    block.alone([&](unsigned thread, Registers&) {
      for (std::uint64_t j = thread; j < task.width; j += kThreads) {
        const T own = task.weights[from * task.width + j];
        task.projection[row * task.width + j] =
            turns ? static_cast<T>(
                        turned(static_cast<double>(own), static_cast<double>(task.weights[other * task.width + j])))
                  : own;
      }
      if (thread != 0 || task.bias == nullptr) return;
      task.turned_bias[row] = turns ? turned(task.bias[from], task.bias[other]) : task.bias[from];
    });
  }
};

}  // namespace tensim::cuda
