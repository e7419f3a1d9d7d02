#pragma once

#include <cstddef>
#include <vector>

#include "../core/aligned_buffer.h"
#include "../core/context.h"
#include "../core/matrix_view.h"

namespace tensim {

// A layer over memory that somebody else owns; shapes as in lib/model/model.ts. A view without data is absent: no bias,
// or D = I.
struct LayerView {
  bool bilinear = false;
  MatrixView weight, bias;     // linear: x ↦ W x + b
  MatrixView left, left_bias;  // bilinear: x ↦ α x + β (D((L x + l) ⊙ (R x + r)) + c)
  MatrixView right, right_bias;
  MatrixView down, down_bias;
  double alpha = 0, beta = 1;
  bool attention = false;  // x_s ↦ α x_s + β (O·concat_heads Σ_t M_st (q1_s·k1_t)(q2_s·k2_t)/d_head² · v_t + o)
  MatrixView q1, q1_bias, k1, k1_bias, q2, q2_bias, k2, k2_bias, v, v_bias, o, o_bias;
  std::size_t heads = 1;
  bool causal = false;
  double rotary_base = 0;  // 0: no rotary embedding
};

// x = μ + C z, z ~ N(0, I_k). Without a factor C = sigma · I.
struct WhitenedLaw {
  MatrixView mean;    // (d, 1) or absent
  MatrixView factor;  // (d, k) or absent
  double sigma = 1;
};

// A matrix that is either a view of somebody else's or its own.
struct FoldedMatrix {
  MatrixView view;
  AlignedBuffer<double> own;

  static FoldedMatrix allocate(std::size_t rows, std::size_t columns);
  double* data() { return own.data(); }
};

// A chain with at most one block, folded (MATH.md section 3):
//
//   f(z) = D((L z + l) ⊙ (R z + r)) + A z + b,   z ~ N(0, I_k),   L, R (h, k), D (o, h), A (o, k), h = 0 for a linear
//   chain.
//
// L and R may still view the caller's weights.
struct QuadraticMap {
  std::size_t inputs = 0;  // k
  std::size_t outputs = 0;
  bool block = false;  // whether there is a bilinear block at all, even one of no units
  FoldedMatrix left, right;
  std::vector<double> left_bias, right_bias;
  FoldedMatrix down;
  FoldedMatrix linear;  // absent: zero
  std::vector<double> constant;
};

// Folds linear layers, residual, biases and the input law into one quadratic map. The shapes must fit; a second block
// or attention is the Error UNSUPPORTED_LAYER. Views into `layers` and `law` may survive in the result.
QuadraticMap fold(const Context& context, const std::vector<LayerView>& layers, const WhitenedLaw& law,
                  std::size_t inputs);

// What an inner product needs of a quadratic map beside its quadratic part: per output c
//   linear    w_c = Σ_h D_ch (l_h R_h + r_h L_h) + A_c      (o, k), empty when it is zero throughout
//   constant  e_c = Σ_h D_ch l_h r_h + b_c
//   mean      m_c = e_c + Σ_h D_ch L_h·R_h = E f_c
struct Moments {
  AlignedBuffer<double> linear;
  std::vector<double> constant, mean;
};
Moments moments(const Context& context, const QuadraticMap& map);

}  // namespace tensim
