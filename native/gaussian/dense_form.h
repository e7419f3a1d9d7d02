#pragma once

#include <cstddef>

#include "../core/aligned_buffer.h"
#include "../core/context.h"
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
// What they are made of takes a fraction of their memory, so that they can be made where they are wanted:
// left and right are column panels of half the width (gemm/kernels.h), down is Dᵀ (h, o).
template <class T>
struct FormFactors {
  std::size_t inputs = 0, outputs = 0, units = 0;
  AlignedBuffer<T> left, right, down;

  std::size_t bytes() const { return left.bytes() + right.bytes() + down.bytes(); }
};

template <class T>
FormFactors<T> form_factors(const Context& context, const QuadraticMap& map);

// Outputs that are made at a time, of nearly as many each.
struct OutputGroup {
  std::size_t first, count;
};
template <class T>
std::vector<OutputGroup> output_groups(const MicroKernels<T>& kernels, std::size_t outputs);

// Elements [begin, end) of the forms of a group, computed in T: those of output group.first + c go to
// to[c·row], to[c·row + 1] …
template <class T>
void expand(const Context& context, const FormFactors<T>& factors, const OutputGroup& group, std::size_t begin,
            std::size_t end, T* to, std::size_t row);

// The whole forms.
template <class T>
AlignedBuffer<T> dense_form(const Context& context, const FormFactors<T>& factors);

}  // namespace tensim
