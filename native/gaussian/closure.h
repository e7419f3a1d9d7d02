#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "../core/error.h"
#include "../layers/chain.h"
#include "attention_step.h"
#include "bilinear_step.h"
#include "covariance.h"

namespace tensim {

// A block of any kind, prepared: the twins of BlockView. Each tells its kind and widths, whether it mixes positions,
// and its Jacobian.
template <class T>
using ClosureBlock = std::variant<BilinearBlock<T>, AttentionBlock<T>>;

template <class T>
struct ClosureStage {
  ClosureBlock<T> block;
  bool linear_after = false;
  Matrix<T> after;  // W
};

// A model as the closure of MATH.md section 6 needs it for its pairs.
template <class T>
struct ClosureModel {
  std::size_t positions = 1, inputs = 0, outputs = 0;  // inputs: k of the whitened input
  Matrix<T> front;                                     // (d, k), up to the first block
  std::vector<ClosureStage<T>> stages;
  Means means;               // of the output
  std::vector<double> self;  // ⟨f_c, f_c⟩

  std::size_t bytes() const;
};

template <class T>
ClosureModel<T> prepare_closure(const Context& context, const ChainView& chain);

// Covariances after one more stage of each; a chain that is at its end (null) waits. Throws UNSUPPORTED_LAYER if blocks
// of different kinds meet.
template <class T>
Covariance<T> advance(const Context& context, const ClosureStage<T>* a, const ClosureStage<T>* b,
                      const Covariance<T>& covariance);

// ⟨f_c, g_c⟩ for every output c, summed over positions. Chains pass their blocks in step, the first with the first: one
// schedule for all models, so that every Gram matrix is that of random vectors and positive semi-definite.
template <class T>
std::vector<double> closure_slices(const Context& context, const ClosureModel<T>& a, const ClosureModel<T>& b);

template <class T>
std::uint64_t closure_flops(const ClosureModel<T>& a, const ClosureModel<T>& b);

// That blocks of these kinds meet; told in the same words whichever of them is whose.
Error unlike_blocks(std::string_view kind, std::string_view other);

}  // namespace tensim
