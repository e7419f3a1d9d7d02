#pragma once

#include <array>
#include <cstddef>

#include "../core/matrix_view.h"

namespace tensim {

// x_s ↦ α x_s + β (O·concat_heads Σ_t M_st (q1_s·k1_t)(q2_s·k2_t)/d_head² · v_t + o), over memory that somebody else
// owns. Any of the biases may be absent.
struct AttentionView {
  static constexpr const char* kType = "attention";
  static constexpr std::size_t kProjections = 5;

  MatrixView q1, q1_bias, k1, k1_bias, q2, q2_bias, k2, k2_bias, v, v_bias;
  MatrixView o, o_bias;
  std::size_t heads = 1;
  bool causal = false;
  double rotary_base = 0;  // 0: no rotary embedding
  double alpha = 0, beta = 1;

  std::size_t width() const { return q1.columns; }
  std::size_t inner() const { return q1.rows; }  // heads · d_head
  std::size_t outputs() const { return o.rows; }

  // What is made of the input, and how: q1, k1, q2, k2, v.
  std::array<MatrixView, kProjections> projections() const { return {q1, k1, q2, k2, v}; }
  std::array<MatrixView, kProjections> projection_biases() const {
    return {q1_bias, k1_bias, q2_bias, k2_bias, v_bias};
  }
};

}  // namespace tensim
