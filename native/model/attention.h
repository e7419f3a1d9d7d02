#pragma once

#include "passes.h"

namespace tensim {

// concat_heads Σ_t M_st (q1_s·k1_t)(q2_s·k2_t)/d_head² v_t into `joined`, from the projections in `wide`: a block of
// queries at a time,
//
//   scores 1 = Q1 K1ᵀ,  scores 2 = Q2 K2ᵀ      with the keys of a head transposed, so that positions are contiguous
//   joined   = (scores 1 ⊙ scores 2 ⊙ M / d_head²) V
template <class T>
void attend(const Context& context, const AttentionPass<T>& pass, std::size_t rows, std::size_t positions,
            ForwardScratch<T>& scratch);

}  // namespace tensim
