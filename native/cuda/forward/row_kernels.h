#pragma once

#include "../../gaussian/activations/functions.h"
#include "../interface.h"
#include "map_kernel.h"

namespace tensim::cuda {

// What is done to every element by itself: a task has `size()` of them, and task(i) does the i-th.
template <class Task>
struct EachKernel {
  static constexpr unsigned kThreads = 256;
  using Arguments = Task;
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& task) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t at = block.index * kThreads + thread;
      if (at < task.size()) task(at);
    });
  }
};

template <class Device, class Task>
void launch_each(Device& device, const Task& task) {
  using Kernel = EachKernel<Task>;
  if (task.size() == 0) return;
  device.template launch<Kernel>((task.size() + Kernel::kThreads - 1) / Kernel::kThreads, task);
}

// Rows lie in panels (panels.h) where nothing else is said.

// Rows as they come, of either element type.
template <class T, class From>
struct LoadTask {
  const From* from;  // (rows, width)
  T* to;
  std::uint64_t rows, width;

  TENSIM_BOTH std::uint64_t size() const { return panel_size<T>(rows, width); }
  TENSIM_KERNEL void operator()(std::uint64_t at) const {
    const auto [row, k] = element_of<T>(at, width);
    to[at] = row < rows && k < width ? static_cast<T>(from[row * width + k]) : T(0);
  }
};

// Rows of a table, by token.
template <class T>
struct GatherTask {
  const T* table;  // (tokens, width), row after row
  const std::int32_t* tokens;
  T* to;
  std::uint64_t rows, width;

  TENSIM_BOTH std::uint64_t size() const { return panel_size<T>(rows, width); }
  TENSIM_KERNEL void operator()(std::uint64_t at) const {
    const auto [row, k] = element_of<T>(at, width);
    to[at] = row < rows && k < width ? table[static_cast<std::uint64_t>(tokens[row]) * width + k] : T(0);
  }
};

// y = α r + β (φ(z) ⊙ u + c), with u only where units are gated: then z and u alternate in a row.
template <class T>
struct UnitsTask {
  const T* z;  // (rows, width), or, if gated, (rows, 2·width), row after row and padded (map_kernel.h)
  T* y;        // (rows, width); may be z where they are not gated
  std::uint64_t rows, width;
  ActivationKind kind;
  T slope;
  const T* slopes;  // of prelu, (width); else null
  std::uint32_t gated;
  const T* behind;    // c, or null
  const T* residual;  // r, or null
  T alpha, beta;

  TENSIM_BOTH std::uint64_t size() const { return panel_size<T>(rows, width); }
  TENSIM_KERNEL void operator()(std::uint64_t at) const {
    const auto [row, i] = element_of<T>(at, width);
    if (row >= rows || i >= width) {
      y[at] = T(0);
      return;
    }
    const T* const own = z + (gated != 0 ? row * padded(2 * width) + 2 * i : at);
    const T own_slope = slopes == nullptr ? slope : slopes[i];
    T value = own[0];
    with_function<T>(kind, [&](const auto& phi) { value = phi(value, own_slope); });
    if (gated != 0) value *= own[1];
    if (behind != nullptr) value += behind[i];
    value *= beta;
    if (residual != nullptr) value += alpha * residual[at];
    y[at] = value;
  }
};

// y = (x − mean) ⊙ factor + shift, where a row has the shift of its position, if there are several.
template <class T>
struct ShiftTask {
  const T* x;
  T* y;
  std::uint64_t rows, width, positions;
  const T *mean, *factor;  // (width), or null: 0 and 1
  const T* shift;          // (positions, width)

  TENSIM_BOTH std::uint64_t size() const { return panel_size<T>(rows, width); }
  TENSIM_KERNEL void operator()(std::uint64_t at) const {
    const auto [row, i] = element_of<T>(at, width);
    if (row >= rows || i >= width) {
      y[at] = T(0);
      return;
    }
    T value = x[at];
    if (mean != nullptr) value = (value - mean[i]) * factor[i];
    y[at] = value + shift[row % positions * width + i];
  }
};

// y = α r + β (y + x), of rows in panels that lie alike; y begins with `first`.
template <class T>
struct AddTask {
  const T* x;
  T* y;
  std::uint64_t count;  // of elements
  bool first;
  const T* residual;  // r, or null
  T alpha, beta;

  TENSIM_BOTH std::uint64_t size() const { return count; }
  TENSIM_KERNEL void operator()(std::uint64_t at) const {
    T value = first ? x[at] : y[at] + x[at];
    value *= beta;
    if (residual != nullptr) value += alpha * residual[at];
    y[at] = value;
  }
};

// Zeros behind what segments of a vector are filled with.
struct ClearTask {
  double* vector;
  std::uint64_t segments, segment, filled;

  TENSIM_BOTH std::uint64_t size() const { return segments * (segment - filled); }
  TENSIM_KERNEL void operator()(std::uint64_t at) const {
    vector[at / (segment - filled) * segment + filled + at % (segment - filled)] = 0;
  }
};

// From panels to rows one after the other, padded.
template <class T>
struct UnpackTask {
  const T* x;
  T* y;
  std::uint64_t rows, width;

  TENSIM_BOTH std::uint64_t size() const { return rows * padded(width); }
  TENSIM_KERNEL void operator()(std::uint64_t at) const {
    const std::uint64_t row = at / padded(width), k = at % padded(width);
    y[at] = k < width ? x[element_at<T>(row, k, width)] : T(0);
  }
};

// Outputs of inputs as a feature vector: times the roots of the weights of inputs, and, where they are wanted one by
// one, each output's values behind each other.
template <class T>
struct OutputsTask {
  const T* y;           // (inputs·positions, outputs), row after row and padded
  const double* roots;  // (inputs), or null
  double* vector;       // where the first of these inputs belongs
  std::uint64_t inputs, positions, outputs;
  std::uint64_t row_stride, output_stride;  // of the vector

  TENSIM_BOTH std::uint64_t size() const { return inputs * positions * outputs; }
  TENSIM_KERNEL void operator()(std::uint64_t at) const {
    // Neighbours write side by side.
    const bool apart = output_stride != 1;
    const std::uint64_t rows = inputs * positions;
    const std::uint64_t row = apart ? at % rows : at / outputs, c = apart ? at / rows : at % outputs;
    const double root = roots == nullptr ? 1 : roots[row / positions];
    vector[row * row_stride + c * output_stride] = root * static_cast<double>(y[row * padded(outputs) + c]);
  }
};

// x·a + y·b
struct CombineTask {
  const double *a, *b;
  double x, y;
  double* result;
  std::uint64_t count;

  TENSIM_BOTH std::uint64_t size() const { return count; }
  TENSIM_KERNEL void operator()(std::uint64_t at) const { result[at] = x * a[at] + y * b[at]; }
};

}  // namespace tensim::cuda
