#pragma once

#include <cstddef>

#include "../core/aligned_buffer.h"
#include "one_block.h"

namespace tensim {

// k(k+1)/2
inline std::size_t dense_form_size(std::size_t inputs) {
  return inputs * (inputs + 1) / 2;
}

// The symmetric matrices B_c = sym(Σ_h D_ch L_h R_hᵀ) of a chain with a block and without an embedding, one packed
// vector per output (o, k(k+1)/2), scaled so that the product of two vectors is 2⟨B_c, B'_c⟩ (MATH.md section 3):
//
//   for i ≤ j, row after row:    √2·B_ii on the diagonal,  2·B_ij beside it
//
// computed in T.
template <class T>
AlignedBuffer<T> dense_form(const Context& context, const QuadraticMap& map);

}  // namespace tensim
