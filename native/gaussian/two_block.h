#pragma once

#include <cstddef>
#include <vector>

#include "../core/context.h"
#include "../core/matrix.h"
#include "../layers/chain.h"

namespace tensim {

// A chain with at most two bilinear blocks (MATH.md section 5), in coordinates ζ ~ N(0, I_r) of the space its first
// block looks at:
//
//   f_c = Σ_k D_ck U_k V_k + Y_c,   U_k, V_k, Y_c quadratics in ζ of the form ζᵀAζ + aᵀζ + e.
//
// With U°_k and V°_k centred, f_c = Σ_k D_ck U°_k V°_k + P_c, P again quadratic. What an inner product needs beside the
// products of U° and V° themselves is collected per output:
//
//   S_c = Σ_k D_ck (A_U A_V + A_V A_U)      R_c = Σ_k D_ck sym(a_U a_Vᵀ)      s_c = Σ_k D_ck (A_V a_U + A_U a_V)
//   second_c = A_P + 2 S_c + R_c            first_c = a_P + 2 s_c             mean_c = E f_c
template <class T>
struct TwoBlockModel {
  std::size_t positions = 1, inputs = 0, outputs = 0;
  std::size_t rank = 0, units = 0;  // r; units of the second block, 0 without one
  Matrix<T> basis;                  // (r, k), orthonormal rows: ζ = basis · z
  Matrix<T> forms;                  // flattened, in rows: A_U, A_V, second, R
  Matrix<T> vectors;                // a_U, a_V, first
  bool linear_parts = false;        // whether any a_U or a_V is not zero
  Matrix<double> down;              // D, (outputs, units)
  std::vector<double> mean, self;

  std::size_t bytes() const;
};

// Without `self`, for who computes that elsewhere. Throws UNSUPPORTED_LAYER for attention and for more than two blocks.
template <class T>
TwoBlockModel<T> fold_two_block(const Context& context, const ChainView& chain);

template <class T>
TwoBlockModel<T> prepare_two_block(const Context& context, const ChainView& chain);

}  // namespace tensim
