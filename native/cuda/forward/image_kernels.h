#pragma once

#include "row_kernels.h"

// Loops that are short as a rule, and whose bodies take too many registers side by side.
#if defined(__CUDACC__)
#define TENSIM_ROLLED _Pragma("unroll 1")
#else
#define TENSIM_ROLLED
#endif

namespace tensim::cuda {

// Images are rows of channels, each pixels row after row; they lie in panels (panels.h).

// Where a window begins along an axis: it may be in the padding.
TENSIM_KERNEL std::int64_t window_start(const TensimCudaWindows& windows, unsigned axis, std::uint64_t number) {
  return static_cast<std::int64_t>(number * windows.stride[axis]) - static_cast<std::int64_t>(windows.padding[axis]);
}

// What place k of a window sees, channel after channel: 0 where it reaches beyond the image.
template <class T>
struct Seen {
  const T* x;
  std::uint64_t row, width;  // width: of all channels
  const TensimCudaWindows& windows;
  std::int64_t top, left;

  TENSIM_KERNEL Seen(const T* x, std::uint64_t row, std::uint64_t channels, const TensimCudaWindows& windows,
                     std::uint64_t window)
      : x(x),
        row(row),
        width(channels * windows.input[0] * windows.input[1]),
        windows(windows),
        top(window_start(windows, 0, window / windows.output[1])),
        left(window_start(windows, 1, window % windows.output[1])) {}

  TENSIM_KERNEL T at(std::uint64_t channel, std::uint64_t i, std::uint64_t j) const {
    const std::int64_t down = top + static_cast<std::int64_t>(i * windows.dilation[0]);
    const std::int64_t across = left + static_cast<std::int64_t>(j * windows.dilation[1]);
    if (down < 0 || across < 0) return T(0);
    const auto line = static_cast<std::uint64_t>(down), column = static_cast<std::uint64_t>(across);
    if (line >= windows.input[0] || column >= windows.input[1]) return T(0);
    return x[element_at<T>(row, (channel * windows.input[0] + line) * windows.input[1] + column, width)];
  }
  TENSIM_KERNEL T at(std::uint64_t k) const {
    const std::uint64_t places = windows.kernel[0] * windows.kernel[1], place = k % places;
    return at(k / places, place / windows.kernel[1], place % windows.kernel[1]);
  }
};

// What every window sees, a row for each: what a convolution multiplies by its kernels.
template <class T>
struct PatchesTask {
  const T* x;
  T* y;                // (rows, channels · kernel)
  std::uint64_t rows;  // windows of all images
  std::uint64_t channels;
  TensimCudaWindows windows;

  TENSIM_BOTH std::uint64_t depth() const { return channels * windows.kernel[0] * windows.kernel[1]; }
  TENSIM_BOTH std::uint64_t size() const { return panel_size<T>(rows, depth()); }
  TENSIM_KERNEL void operator()(std::uint64_t at) const {
    const auto [row, k] = element_of<T>(at, depth());
    const std::uint64_t count = windows.output[0] * windows.output[1];
    y[at] = row < rows && k < depth() ? Seen<T>(x, row / count, channels, windows, row % count).at(k) : T(0);
  }
};

// From a row for every window to a row for every image, channel after channel.
template <class T>
struct ByChannelTask {
  const T* z;  // (rows · windows, channels), row after row and padded
  T* y;        // (rows, channels · windows)
  std::uint64_t rows, channels, windows;

  TENSIM_BOTH std::uint64_t size() const { return panel_size<T>(rows, channels * windows); }
  TENSIM_KERNEL void operator()(std::uint64_t at) const {
    const auto [row, i] = element_of<T>(at, channels * windows);
    const bool there = row < rows && i < channels * windows;
    y[at] = there ? z[(row * windows + i % windows) * padded(channels) + i / windows] : T(0);
  }
};

// A convolution whose outputs see few channels each, an output at a time: of the groups of a depthwise one a tile of a
// product would hold next to nothing.
template <class T>
struct ConvolveTask {
  const T* x;
  const T* weight;  // (outputs, channels / groups · kernel), in panels
  const T* bias;    // (outputs), or null
  T* y;
  std::uint64_t rows, channels, groups, outputs;
  TensimCudaWindows windows;

  TENSIM_BOTH std::uint64_t count() const { return windows.output[0] * windows.output[1]; }
  TENSIM_BOTH std::uint64_t size() const { return panel_size<T>(rows, outputs * count()); }
  TENSIM_KERNEL void operator()(std::uint64_t at) const {
    const auto [row, i] = element_of<T>(at, outputs * count());
    if (row >= rows || i >= outputs * count()) {
      y[at] = T(0);
      return;
    }
    const std::uint64_t output = i / count(), seen = channels / groups, first = output / (outputs / groups) * seen;
    const std::uint64_t depth = seen * windows.kernel[0] * windows.kernel[1];
    const Seen<T> window(x, row, channels, windows, i % count());
    T sum = T(0);
    std::uint64_t k = 0;
    TENSIM_ROLLED
    for (std::uint64_t channel = first; channel < first + seen; ++channel) {
      TENSIM_ROLLED
      for (std::uint64_t down = 0; down < windows.kernel[0]; ++down) {
        TENSIM_ROLLED
        for (std::uint64_t across = 0; across < windows.kernel[1]; ++across, ++k) {
          sum += weight[element_at<T>(output, k, depth)] * window.at(channel, down, across);
        }
      }
    }
    y[at] = bias == nullptr ? sum : sum + bias[output];
  }
};

// The mean or the largest of every window of every channel.
template <class T>
struct PoolTask {
  const T* x;
  T* y;
  std::uint64_t rows, channels;
  TensimCudaWindows windows;
  bool largest, count_padding;

  TENSIM_BOTH std::uint64_t width() const { return channels * windows.output[0] * windows.output[1]; }
  TENSIM_BOTH std::uint64_t size() const { return panel_size<T>(rows, width()); }

  struct Span {
    std::uint64_t begin, end;
  };
  TENSIM_KERNEL Span span(unsigned axis, std::uint64_t number) const {
    const std::int64_t first = window_start(windows, axis, number);
    const auto end = static_cast<std::uint64_t>(first + static_cast<std::int64_t>(windows.kernel[axis]));
    return {first < 0 ? 0 : static_cast<std::uint64_t>(first), end < windows.input[axis] ? end : windows.input[axis]};
  }
  TENSIM_KERNEL void operator()(std::uint64_t at) const {
    const auto [row, i] = element_of<T>(at, width());
    if (row >= rows || i >= width()) {
      y[at] = T(0);
      return;
    }
    const std::uint64_t count = windows.output[0] * windows.output[1], window = i % count;
    const Span down = span(0, window / windows.output[1]), across = span(1, window % windows.output[1]);
    const std::uint64_t pixels = windows.input[0] * windows.input[1], first = i / count * pixels;
    const auto pixel = [&, row = row](std::uint64_t line, std::uint64_t column) {
      return x[element_at<T>(row, first + line * windows.input[1] + column, channels * pixels)];
    };
    T result = largest ? pixel(down.begin, across.begin) : T(0);
    for (std::uint64_t line = down.begin; line < down.end; ++line) {
      for (std::uint64_t column = across.begin; column < across.end; ++column) {
        const T value = pixel(line, column);
        // What is no number stays visible.
        if (!largest) {
          result += value;
        } else if (!(value <= result) && result == result) {
          result = value;
        }
      }
    }
    const std::uint64_t inside = (down.end - down.begin) * (across.end - across.begin);
    const std::uint64_t members = count_padding ? windows.kernel[0] * windows.kernel[1] : inside;
    y[at] = largest ? result : result * (T(1) / static_cast<T>(members));
  }
};

}  // namespace tensim::cuda

#undef TENSIM_ROLLED
