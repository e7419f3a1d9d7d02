#pragma once

#include <array>
#include <cstddef>

#include "../core/matrix_view.h"

namespace tensim {

// Where the windows of a layer of images lie: everything (down, across).
struct Windows {
  std::array<std::size_t, 2> input{1, 1}, kernel{1, 1}, stride{1, 1}, padding{0, 0}, dilation{1, 1}, output{1, 1};

  std::size_t pixels() const { return input[0] * input[1]; }
  std::size_t places() const { return kernel[0] * kernel[1]; }
  std::size_t count() const { return output[0] * output[1]; }
};

// A convolution of images, which are channels × rows × columns, over memory that somebody else owns. The weight is
// (out, in/groups · kernel); the bias a column, or absent.
struct ConvolutionView {
  static constexpr const char* kType = "convolution";

  MatrixView weight, bias;
  Windows windows;
  std::size_t channels = 1, groups = 1;

  std::size_t width() const { return channels * windows.pixels(); }
  std::size_t outputs() const { return weight.rows * windows.count(); }
};

// The mean or the largest of every window of every channel.
struct PoolView {
  static constexpr const char* kType = "pool";

  Windows windows;
  std::size_t channels = 1;
  bool largest = false;
  bool count_padding = true;

  std::size_t width() const { return channels * windows.pixels(); }
  std::size_t outputs() const { return channels * windows.count(); }
};

}  // namespace tensim
