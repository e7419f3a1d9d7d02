#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/context.h"
#include "../core/error.h"
#include "../core/matrix.h"
#include "../layers/chain.h"

namespace tensim {

// One block and the linear layers after it, on (1, x) (MATH.md section 7): G ← D̃ · ½[(L̃GL̃'ᵀ) ⊙ (R̃GR̃'ᵀ) + (L̃GR̃'ᵀ)
// ⊙ (R̃GL̃'ᵀ)] · D̃'ᵀ.
template <class T>
struct TensorStage {
  Matrix<T> factors;  // L̃ over R̃
  Matrix<T> down;     // W̃ D̃
};

template <class T>
struct TensorModel {
  std::size_t positions = 1, inputs = 0, outputs = 0;
  Matrix<T> front;  // of the whitened input, (1 + d, 1 + k)
  std::vector<TensorStage<T>> stages;
  std::vector<double> self;

  std::size_t bytes() const;
};

// Without `self`, for who computes that elsewhere. Throws UNSUPPORTED_LAYER for attention, for which the measure is not
// defined.
template <class T>
TensorModel<T> fold_tensor(const Context& context, const ChainView& chain);

template <class T>
TensorModel<T> prepare_tensor(const Context& context, const ChainView& chain);

// ⟨f_c, g_c⟩ for every output c. Throws SHAPE_MISMATCH for models of different depth.
template <class T>
std::vector<double> tensor_slices(const Context& context, const TensorModel<T>& a, const TensorModel<T>& b);

template <class T>
std::uint64_t tensor_flops(const TensorModel<T>& a, const TensorModel<T>& b);

// That two models differ in their number of blocks.
Error unlike_degrees();

}  // namespace tensim
