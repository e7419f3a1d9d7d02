#pragma once

#include <cstddef>

#include "../core/matrix_view.h"

namespace tensim {

// x ↦ α x + β (D((L x + l) ⊙ (R x + r)) + c), over memory that somebody else owns. D is the identity where it is
// absent, and biases may be.
struct BilinearView {
  static constexpr const char* kType = "bilinear";

  MatrixView left, left_bias;
  MatrixView right, right_bias;
  MatrixView down, down_bias;
  double alpha = 0, beta = 1;

  std::size_t width() const { return left.columns; }
  std::size_t units() const { return left.rows; }
  std::size_t outputs() const { return absent(down) ? units() : down.rows; }
};

}  // namespace tensim
