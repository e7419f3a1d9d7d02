#pragma once

#include <cstddef>

#include "../core/matrix_view.h"

namespace tensim {

// x ↦ (w + offset) ⊙ (x − μ) / √(mean (x − μ)² + ε) + b at every position, over memory that somebody else owns: μ is
// the mean over the features where they are centred, else 0. Weight and bias are columns, or absent.
template <bool Centred>
struct NormView {
  static constexpr const char* kType = Centred ? "layer_norm" : "rms_norm";

  MatrixView weight, bias;
  std::size_t features = 0;
  double epsilon = 0, offset = 0;

  std::size_t width() const { return features; }
  std::size_t outputs() const { return features; }
};

using RmsNormView = NormView<false>;
using LayerNormView = NormView<true>;

}  // namespace tensim
