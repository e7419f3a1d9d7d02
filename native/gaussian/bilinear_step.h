#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../layers/bilinear.h"
#include "covariance.h"

namespace tensim {

// A bilinear block of one model under a Gaussian input of known moments, its residual and means folded into Jacobians:
//   Cov(out, out') = J C J'ᵀ + D (C_uu' ⊙ C_vv' + C_uv' ⊙ C_vu') D'ᵀ
//   J_s = α I + D (diag(m_v) L + diag(m_u) R) = E ∂out_s/∂x_s
template <class T>
struct BilinearBlock {
  static constexpr const char* kType = BilinearView::kType;
  static constexpr bool kMixesPositions = false;

  std::size_t width = 0, units = 0, outputs = 0;
  Matrix<T> factors;  // L over R, (2·units, width)
  bool has_down = false;
  Matrix<T> down;                    // β D, (outputs, units)
  double beta = 1;                   // what stands for D without one
  std::vector<Matrix<T>> jacobians;  // per position, or one for all; none where they are all zero

  const Matrix<T>& jacobian(std::size_t s) const { return jacobians.size() == 1 ? jacobians.front() : jacobians[s]; }
  // E ∂out_s/∂x_r without what `residual` adds to it; false where it is zero.
  bool slope(std::size_t s, std::size_t r, MatrixView& view) const;
  double residual() const { return 0; }  // the Jacobian holds it
  std::size_t bytes() const;
};

// Reads a layer for inputs with the given moments, and sends the means through it.
template <class T>
BilinearBlock<T> prepare_bilinear(const Context& context, const BilinearView& layer, const Covariance<T>& covariance,
                                  Means& means);

// Covariances of the two outputs. With `last` only their sum over equal positions is computed, (outputs, outputs').
template <class T>
Covariance<T> bilinear_pair(const Context& context, const BilinearBlock<T>& a, const BilinearBlock<T>& b,
                            const Covariance<T>& covariance, bool last);

// Flops of bilinear_pair.
template <class T>
std::uint64_t bilinear_flops(const BilinearBlock<T>& a, const BilinearBlock<T>& b, std::size_t positions, bool alike,
                             bool last);

}  // namespace tensim
