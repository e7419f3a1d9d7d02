#pragma once

#include <cstddef>
#include <vector>

#include "../gemm/gemm.h"

namespace tensim {

// Covariances of two models' features at every pair of positions, C[s,i,t,j] (MATH.md section 6). Where positions are
// independent and alike, as in the input, one block stands for all C[s,·,s,·], and the others are zero.
template <class T>
struct Covariance {
  std::size_t positions = 1, rows = 0, columns = 0;  // rows × columns: one block
  bool alike = true;
  Matrix<T> values;  // alike: (rows, columns); else (positions·rows, positions·columns)

  static Covariance dense(std::size_t positions, std::size_t rows, std::size_t columns) {
    return {positions, rows, columns, false, Matrix<T>(positions * rows, positions * columns)};
  }
  bool zero(std::size_t s, std::size_t t) const { return alike && s != t; }
  // The block of a pair of positions at which it is not zero.
  MatrixView block(std::size_t s, std::size_t t) const {
    return alike ? values.view() : values.block(s * rows, rows, t * columns, columns);
  }
  // Where that block starts in `values`, whose row stride is values.columns.
  T* at(std::size_t s, std::size_t t) {
    return alike ? values.data() : values.data() + s * rows * values.columns + t * columns;
  }
};

// The positions alike and independent: F F'ᵀ on the diagonal.
template <class T>
Covariance<T> independent(const Context& context, const Matrix<T>& a, const Matrix<T>& b, std::size_t positions) {
  return {positions, a.rows, b.rows, true, multiply<T>(context, a.view(), b.view().transpose())};
}

// Cov(x'_t, x_s).
template <class T>
Covariance<T> transposed(const Covariance<T>& covariance) {
  return {covariance.positions, covariance.columns, covariance.rows, covariance.alike,
          Matrix<T>::copy(covariance.values.view().transpose())};
}

// Means at every position, or those of one position that stand for all.
struct Means {
  bool alike = true;
  std::size_t width = 0;
  std::vector<double> values;

  const double* at(std::size_t s) const { return values.data() + (alike ? 0 : s * width); }
};

}  // namespace tensim
