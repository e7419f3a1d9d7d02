#pragma once

#include <cstddef>

#include "../core/matrix_view.h"

namespace tensim {

// x ↦ w ⊙ (x − μ) / √(σ² + ε) + b, channel by channel, over memory that somebody else owns. Parts are columns of one
// number per channel; weight and bias may be absent. A channel is `area` features in a row.
struct BatchNormView {
  static constexpr const char* kType = "batch_norm";

  MatrixView mean, variance, weight, bias;
  std::size_t area = 1;
  double epsilon = 0;

  std::size_t channels() const { return mean.rows; }
  std::size_t width() const { return channels() * area; }
  std::size_t outputs() const { return width(); }
};

}  // namespace tensim
