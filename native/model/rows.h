#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "../core/matrix_view.h"

namespace tensim {

// The biases of stacked matrices of `size` rows each, or nothing if none has one.
template <class T>
std::vector<T> stacked_biases(const std::vector<MatrixView>& biases, std::size_t size) {
  std::vector<T> stacked;
  if (std::all_of(biases.begin(), biases.end(), absent)) return stacked;
  for (const MatrixView& bias : biases) {
    for (const double value : vector_of(bias, size)) stacked.push_back(static_cast<T>(value));
  }
  return stacked;
}

// Adds a bias, unless it is empty, to each of `rows` rows.
template <class T>
void add_bias(const std::vector<T>& bias, std::size_t rows, T* y) {
  if (bias.empty()) return;
  for (std::size_t row = 0; row < rows; ++row, y += bias.size())
    for (std::size_t i = 0; i < bias.size(); ++i) y[i] += bias[i];
}

// y = α x + β y. Without a residual (α = 0) x is not read.
template <class T>
void add_residual(T alpha, const T* x, T beta, std::size_t size, T* y) {
  if (alpha != T(0)) {
    for (std::size_t i = 0; i < size; ++i) y[i] = alpha * x[i] + beta * y[i];
  } else if (beta != T(1)) {
    for (std::size_t i = 0; i < size; ++i) y[i] *= beta;
  }
}

}  // namespace tensim
