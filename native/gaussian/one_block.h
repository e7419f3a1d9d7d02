#pragma once

#include <cstddef>
#include <vector>

#include "../core/aligned_buffer.h"
#include "../core/context.h"
#include "../core/matrix.h"
#include "../layers/chain.h"
#include "folded.h"

namespace tensim {

// A chain with at most one block, folded (MATH.md section 3):
//
//   f(z) = D((L z + l) ⊙ (R z + r)) + A z + b,   z ~ N(0, I_k)
//
//   L, R (h, k)   D (o, h)   A (o, k)            h = 0 for a linear chain
//
// Unfolded, the narrowest of the layers before the block is kept as an embedding P (m, k) beside it: in all of the
// above z stands for P z then, so that L, R have m columns and so has A.
//
// L and R may still view the caller's weights.
struct QuadraticMap {
  std::size_t inputs = 0;  // k
  std::size_t outputs = 0;
  bool block = false;      // whether there is a bilinear block at all, even one of no units
  FoldedMatrix embedding;  // absent: P = I
  FoldedMatrix left, right;
  std::vector<double> left_bias, right_bias;
  FoldedMatrix down;
  FoldedMatrix linear;  // absent: zero
  std::vector<double> constant;
};

// Folds linear layers, residual, biases and the input law into one quadratic map. The shapes must fit; a second block
// is the Error UNSUPPORTED_LAYER. With `unfold` a chain with a block keeps an embedding, which is C itself if no layer
// comes before. Views of `chain` may survive in the result.
QuadraticMap fold_one_block(const Context& context, const ChainView& chain, bool unfold = false);

// What an inner product needs of a quadratic map beside its quadratic part: per output c
//   linear    w_c = Σ_h D_ch (l_h R_h + r_h L_h) + A_c      (o, k), P multiplied in; empty when it is zero throughout
//   constant  e_c = Σ_h D_ch l_h r_h + b_c
//   mean      m_c = e_c + Σ_h D_ch L_hᵀ P Pᵀ R_h = E f_c
struct Moments {
  AlignedBuffer<double> linear;
  std::vector<double> constant, mean;
};
Moments moments(const Context& context, const QuadraticMap& map);

}  // namespace tensim
