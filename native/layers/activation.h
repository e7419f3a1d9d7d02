#pragma once

#include <cstddef>

#include "../core/matrix_view.h"
#include "../gaussian/activations/activation.h"

namespace tensim {

// x ↦ φ(x), every feature by itself.
struct ActivationView {
  static constexpr const char* kType = "activation";

  std::size_t features = 0;
  Activation activation;
  MatrixView slopes;  // of prelu, a column; else absent

  std::size_t width() const { return features; }
  std::size_t outputs() const { return features; }
};

}  // namespace tensim
