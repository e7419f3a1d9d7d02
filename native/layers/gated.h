#pragma once

#include <cstddef>

#include "../core/matrix_view.h"
#include "../gaussian/activations/activation.h"

namespace tensim {

// x ↦ α x + β (D (φ(W x + b) ⊙ (U x + u)) + c) + S x, over memory that somebody else owns. D is the identity where it
// is absent, and S zero.
struct GatedView {
  static constexpr const char* kType = "gated";

  MatrixView gate, gate_bias;
  MatrixView up, up_bias;
  Activation activation;
  MatrixView slopes;  // of prelu, a column; else absent
  MatrixView down, down_bias;
  MatrixView skip;
  double alpha = 0, beta = 1;

  std::size_t width() const { return gate.columns; }
  std::size_t units() const { return gate.rows; }
  std::size_t outputs() const { return absent(down) ? units() : down.rows; }
};

}  // namespace tensim
