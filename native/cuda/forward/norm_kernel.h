#pragma once

#include <cmath>

#include "map_kernel.h"

namespace tensim::cuda {

// Where the elements of a row lie: in panels,
struct InPanels {
  template <class T>
  TENSIM_KERNEL std::uint64_t at(std::uint64_t row, std::uint64_t i, std::uint64_t width) const {
    return element_at<T>(row, i, width);
  }
  // Elements that are written, zeros behind the last one.
  template <class T>
  TENSIM_KERNEL std::uint64_t written(std::uint64_t width) const {
    return panel_width<T>(width);
  }
};
// or as parts of longer rows, beside each other from `first` on.
struct PartsOfRows {
  std::uint64_t parts, stride, first;

  template <class T>
  TENSIM_KERNEL std::uint64_t at(std::uint64_t row, std::uint64_t i, std::uint64_t width) const {
    return row / parts * stride + first + row % parts * width + i;
  }
  template <class T>
  TENSIM_KERNEL std::uint64_t written(std::uint64_t width) const {
    return width;
  }
};

// y = (x − μ) / √(mean (x − μ)² + ε) ⊙ gain + bias of every row, with sums in double as in model/norm.cc.
template <class T, class Place = InPanels>
struct NormTask {
  const T* x;
  T* y;  // of the same place; may be x
  std::uint64_t rows, width;
  std::uint32_t centred;  // else μ = 0
  double epsilon;
  const T *gain, *bias;  // or null
  Place place;
};
template <class T>
using HeadNorm = NormTask<T, PartsOfRows>;

// A row for 32 threads, each of which adds up a part of it; the parts are added in order.
template <class T, class Place = InPanels>
struct NormKernel {
  static constexpr unsigned kThreads = 256, kTogether = 32, kRows = kThreads / kTogether;
  using Arguments = NormTask<T, Place>;
  struct Shared {
    double parts[kRows][kTogether], mean[kRows], factor[kRows];
  };
  struct Registers {};

  static std::uint64_t blocks(const Arguments& task) { return (task.rows + kRows - 1) / kRows; }

  TENSIM_KERNEL static double at(const Arguments& task, std::uint64_t row, std::uint64_t i) {
    return static_cast<double>(task.x[task.place.template at<T>(row, i, task.width)]);
  }
  TENSIM_KERNEL static double sum(const double (&parts)[kTogether]) {
    double result = 0;
    for (unsigned i = 0; i < kTogether; ++i) result += parts[i];
    return result;
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& task) {
    const std::uint64_t first = block.index * kRows;
    const auto width = static_cast<double>(task.width);
    block.each_thread([&](unsigned thread, Registers&) {
      const unsigned own = thread / kTogether;
      double part = 0;
      if (first + own < task.rows && task.centred != 0) {
        for (std::uint64_t i = thread % kTogether; i < task.width; i += kTogether) part += at(task, first + own, i);
      }
      shared.parts[own][thread % kTogether] = part;
    });
    block.each_thread([&](unsigned thread, Registers&) {
      if (thread < kRows) shared.mean[thread] = sum(shared.parts[thread]) / width;
    });
    block.each_thread([&](unsigned thread, Registers&) {
      const unsigned own = thread / kTogether;
      double part = 0;
      if (first + own < task.rows) {
        for (std::uint64_t i = thread % kTogether; i < task.width; i += kTogether) {
          const double value = at(task, first + own, i) - shared.mean[own];
          part += value * value;
        }
      }
      shared.parts[own][thread % kTogether] = part;
    });
    block.each_thread([&](unsigned thread, Registers&) {
      if (thread < kRows) shared.factor[thread] = 1 / std::sqrt(sum(shared.parts[thread]) / width + task.epsilon);
    });
    block.each_thread([&](unsigned thread, Registers&) {
      const unsigned own = thread / kTogether;
      if (first + own >= task.rows) return;
      for (std::uint64_t i = thread % kTogether; i < task.place.template written<T>(task.width); i += kTogether) {
        T& y = task.y[task.place.template at<T>(first + own, i, task.width)];
        if (i >= task.width) {
          y = T(0);
          continue;
        }
        double value = (at(task, first + own, i) - shared.mean[own]) * shared.factor[own];
        if (task.gain != nullptr) value *= static_cast<double>(task.gain[i]);
        if (task.bias != nullptr) value += static_cast<double>(task.bias[i]);
        y = static_cast<T>(value);
      }
    });
  }
};

}  // namespace tensim::cuda
