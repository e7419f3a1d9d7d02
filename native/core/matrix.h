#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <new>
#include <vector>

#include "aligned_buffer.h"
#include "matrix_view.h"

namespace tensim {

// A row-major matrix that owns its elements.
template <class T>
struct Matrix {
  std::size_t rows = 0, columns = 0;
  AlignedBuffer<T> values;

  Matrix() = default;
  // Leaves the elements uninitialised.
  Matrix(std::size_t rows, std::size_t columns) : rows(rows), columns(columns), values(elements(rows, columns)) {}
  static Matrix zeros(std::size_t rows, std::size_t columns) {
    Matrix matrix(rows, columns);
    matrix.values.clear();
    return matrix;
  }
  // factor · view
  static Matrix copy(const MatrixView& view, double factor = 1) {
    Matrix matrix(view.rows, view.columns);
    visit(view, [&](const auto* data) {
      for (std::size_t i = 0; i < view.rows; ++i) {
        const auto* from = data + static_cast<std::ptrdiff_t>(i) * view.row_stride;
        for (std::size_t j = 0; j < view.columns; ++j) {
          matrix.row(i)[j] =
              static_cast<T>(factor * static_cast<double>(from[static_cast<std::ptrdiff_t>(j) * view.column_stride]));
        }
      }
    });
    return matrix;
  }

  bool empty() const { return values.empty(); }
  T* data() { return values.data(); }
  const T* data() const { return values.data(); }
  T* row(std::size_t i) { return values.data() + i * columns; }
  const T* row(std::size_t i) const { return values.data() + i * columns; }
  MatrixView view() const { return MatrixView::row_major(values.data(), rows, columns); }
  // `count` rows from `first` on, and `width` columns from `left` on.
  MatrixView block(std::size_t first, std::size_t count, std::size_t left, std::size_t width) const {
    MatrixView view = MatrixView::row_major(values.data() + first * columns + left, count, width);
    view.row_stride = static_cast<std::ptrdiff_t>(columns);
    return view;
  }
  std::size_t bytes() const { return values.bytes(); }

 private:
  // More than there are numbers for is certainly more than there is memory for.
  static std::size_t elements(std::size_t rows, std::size_t columns) {
    if (columns != 0 && rows > std::numeric_limits<std::size_t>::max() / columns) throw std::bad_alloc();
    return rows * columns;
  }
};

// Whether any of them is not zero.
inline bool any(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double x) { return x != 0; });
}

}  // namespace tensim
