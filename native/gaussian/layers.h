#pragma once

#include <cstddef>
#include <vector>

#include "../core/context.h"
#include "../core/matrix.h"
#include "../core/matrix_view.h"

namespace tensim {

enum class LayerType { kLinear, kBilinear, kAttention };

// A layer over memory that somebody else owns; shapes as in lib/model/model.ts. A view without data is absent: no bias,
// or D = I.
struct LayerView {
  LayerType type = LayerType::kLinear;
  MatrixView weight, bias;     // linear: x ↦ W x + b
  MatrixView left, left_bias;  // bilinear: x ↦ α x + β (D((L x + l) ⊙ (R x + r)) + c)
  MatrixView right, right_bias;
  MatrixView down, down_bias;
  // attention: x_s ↦ α x_s + β (O·concat_heads Σ_t M_st (q1_s·k1_t)(q2_s·k2_t)/d_head² · v_t + o)
  MatrixView q1, q1_bias, k1, k1_bias, q2, q2_bias, k2, k2_bias, v, v_bias, o, o_bias;
  std::size_t heads = 1;
  bool causal = false;
  double rotary_base = 0;  // 0: no rotary embedding
  double alpha = 0, beta = 1;

  std::size_t outputs() const;
};

// x = μ + C z, z ~ N(0, I_k). Without a factor C = sigma · I.
struct WhitenedLaw {
  MatrixView mean;    // (d, 1) or absent
  MatrixView factor;  // (d, k) or absent
  double sigma = 1;
};

inline bool absent(const MatrixView& view) {
  return view.data == nullptr;
}

// One element, as float64.
double element(const MatrixView& view, std::size_t i, std::size_t j = 0);

// A vector as float64, zeros where it is absent.
std::vector<double> vector_of(const MatrixView& view, std::size_t size);

bool any(const std::vector<double>& values);

// W·x + b
std::vector<double> affine(const Context& context, const MatrixView& w, const std::vector<double>& x,
                           const MatrixView& b);

// The same for a matrix of one's own: factor · M·x, added to y.
template <class T>
void add_product(const Matrix<T>& matrix, const double* x, double factor, double* y);

// A·B as a matrix of its own, computed in T.
template <class T>
Matrix<T> product(const Context& context, const MatrixView& a, const MatrixView& b);

// The affine map z ↦ A z + a from the whitened input through linear layers.
template <class T>
struct Front {
  Matrix<T> matrix;  // (d, k)
  std::vector<double> offset;
};

// A block and the linear layers up to the next one, multiplied into one.
template <class T>
struct Stage {
  LayerView block;
  bool linear_after = false;
  Matrix<T> after;  // W, empty without linear layers
  std::vector<double> after_bias;
};

// A chain cut at its blocks.
template <class T>
struct Stages {
  Front<T> front;
  std::vector<Stage<T>> stages;
  std::size_t outputs = 0;
};

template <class T>
Stages<T> stages_of(const Context& context, const std::vector<LayerView>& layers, const WhitenedLaw& law,
                    std::size_t inputs);

}  // namespace tensim
