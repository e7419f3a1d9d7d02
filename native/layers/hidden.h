#pragma once

#include <cstddef>

#include "../core/matrix_view.h"
#include "../gaussian/activations/activation.h"

namespace tensim {

// x ↦ α x + β (D φ(W x + b) + c) + S x, over memory that somebody else owns. D is the identity where it is absent,
// and S zero.
struct HiddenView {
  static constexpr const char* kType = "hidden";

  MatrixView weight, bias;
  Activation activation;
  MatrixView slopes;  // of prelu, a column; else absent
  MatrixView down, down_bias;
  MatrixView skip;
  double alpha = 0, beta = 1;

  std::size_t width() const { return weight.columns; }
  std::size_t units() const { return weight.rows; }
  std::size_t outputs() const { return absent(down) ? units() : down.rows; }
};

}  // namespace tensim
