#pragma once

#include <cstddef>
#include <vector>

#include "../core/context.h"
#include "../core/matrix.h"
#include "../layers/chain.h"
#include "activations/activation.h"
#include "folded.h"

namespace tensim {

// A chain of at most one block of units as a function of the whitened input z ~ N(0, I_k), with everything around the
// block folded in (MATH.md sections 10 and 11):
//
//   f(z) = c + S z + D φ(m + s ⊙ Ŵ z)                               a hidden layer
//   f(z) = c + S z + D (φ(m + s ⊙ Ŵ z) ⊙ (u + β ⊙ Ŵ z + U⊥ z))      a gated block
//
// Rows of Ŵ have length 1, or are zero where s is; those of U⊥ are orthogonal to those of Ŵ. Where φ(s x) = s^k φ(x), D
// has taken s^k, and s is 1. A bilinear block is the gated block of the identity.
struct FoldedUnits {
  std::size_t inputs = 0;  // k
  std::size_t outputs = 0;
  std::size_t hidden = 0;  // h; 0 without a block
  Activation activation;
  std::vector<double> slopes;  // of prelu, h
  Matrix<double> directions;   // Ŵ
  std::vector<double> means, deviations;

  bool gated = false;
  std::vector<double> constants, along, lengths;  // u, β, ‖U⊥‖
  Matrix<double> across;                          // U⊥

  FoldedMatrix down;  // D, (o, h), row-major
  std::vector<double> constant;
  FoldedMatrix skip;  // S, (o, k); absent: zero

  // Where these are, they are what other matrices were made of number by number, over memory that somebody else owns:
  // Ŵ_i = W_i / lengths_i, or W_i where that is zero; U⊥ = U − β Ŵ; D = D' diag(powers).
  struct Given {
    MatrixView weight, up, down;
    MatrixView gain;              // what columns of W and U were multiplied by, if that is known
    std::vector<double> lengths;  // of W
    std::vector<double> powers;   // empty: all are 1
  };
  Given given;

  Activation activation_of(std::size_t unit) const {
    return slopes.empty() ? activation : Activation{activation.kind, slopes[unit]};
  }
};

// The shapes must fit; a second block, or one that is not made of units, is the Error UNSUPPORTED_LAYER.
FoldedUnits fold_units(const Context& context, const ChainView& chain);

}  // namespace tensim
