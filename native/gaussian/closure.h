#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "attention.h"
#include "joint.h"
#include "layers.h"

namespace tensim {

// A bilinear block of one model under a Gaussian input of known moments, its residual and means folded into Jacobians:
//   Cov(out, out') = J C J'ᵀ + D (C_uu' ⊙ C_vv' + C_uv' ⊙ C_vu') D'ᵀ,   J_s = α I + D (diag(m_v) L + diag(m_u) R) = E ∂out_s/∂x_s.
template <class T>
struct BilinearBlock {
  std::size_t width = 0, units = 0, outputs = 0;
  Matrix<T> factors;  // L over R, (2·units, width)
  bool has_down = false;
  Matrix<T> down;                    // β D, (outputs, units)
  double beta = 1;                   // what stands for D without one
  std::vector<Matrix<T>> jacobians;  // per position, or one for all; none where they are all zero

  const Matrix<T>& jacobian(std::size_t s) const { return jacobians.size() == 1 ? jacobians.front() : jacobians[s]; }
  std::size_t bytes() const;
};

template <class T>
struct ClosureStage {
  std::variant<BilinearBlock<T>, AttentionBlock<T>> block;
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

// Without `self`, for who computes that elsewhere.
template <class T>
ClosureModel<T> fold_closure(const Context& context, const std::vector<LayerView>& layers, const WhitenedLaw& law,
                             std::size_t inputs, std::size_t positions);

template <class T>
ClosureModel<T> prepare_closure(const Context& context, const std::vector<LayerView>& layers, const WhitenedLaw& law,
                                std::size_t inputs, std::size_t positions);

// Covariances after one more stage of each; a chain that is at its end (null) waits. Throws UNSUPPORTED_LAYER if blocks of different kinds
// meet.
template <class T>
Joint<T> advance(const Context& context, const ClosureStage<T>* a, const ClosureStage<T>* b,
                 const Joint<T>& covariance);

// ⟨f_c, g_c⟩ for every output c, summed over positions. Chains pass their blocks in step, the first with the first: one schedule for all
// models, so that every Gram matrix is that of random vectors and positive semi-definite.
template <class T>
std::vector<double> closure_pair(const Context& context, const ClosureModel<T>& a, const ClosureModel<T>& b);

template <class T>
std::uint64_t closure_flops(const ClosureModel<T>& a, const ClosureModel<T>& b);

}  // namespace tensim
