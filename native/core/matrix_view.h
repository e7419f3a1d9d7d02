#pragma once

#include <cstddef>
#include <vector>

namespace tensim {

enum class DType { kFloat64, kFloat32 };

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kFloat64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kFloat32;
};

// A matrix that somebody else owns, of either element type, with any strides (in elements). Element (i, j) is
// data[i·row_stride + j·column_stride].
struct MatrixView {
  const void* data = nullptr;
  DType dtype = DType::kFloat64;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::ptrdiff_t row_stride = 0;
  std::ptrdiff_t column_stride = 1;

  template <class T>
  static MatrixView row_major(const T* data, std::size_t rows, std::size_t columns) {
    return {data, DTypeOf<T>::value, rows, columns, static_cast<std::ptrdiff_t>(columns), 1};
  }
  MatrixView transpose() const { return {data, dtype, columns, rows, column_stride, row_stride}; }
};

// What may be missing (a bias, or a factor that is the identity) is a view without data.
inline bool absent(const MatrixView& view) {
  return view.data == nullptr;
}

// Whether the elements follow each other row by row.
inline bool contiguous(const MatrixView& view) {
  return (view.column_stride == 1 || view.columns <= 1) &&
         (view.row_stride == static_cast<std::ptrdiff_t>(view.columns) || view.rows <= 1);
}

// Calls f with the view's data as `const double*` or `const float*`.
template <class F>
void visit(const MatrixView& view, const F& f) {
  if (view.dtype == DType::kFloat64) {
    f(static_cast<const double*>(view.data));
  } else {
    f(static_cast<const float*>(view.data));
  }
}

// One element, as float64.
inline double element(const MatrixView& view, std::size_t i, std::size_t j = 0) {
  const std::ptrdiff_t at =
      static_cast<std::ptrdiff_t>(i) * view.row_stride + static_cast<std::ptrdiff_t>(j) * view.column_stride;
  return view.dtype == DType::kFloat64 ? static_cast<const double*>(view.data)[at]
                                       : static_cast<double>(static_cast<const float*>(view.data)[at]);
}

// A column as float64, zeros where it is absent.
inline std::vector<double> vector_of(const MatrixView& view, std::size_t size) {
  std::vector<double> values(size, 0.0);
  if (!absent(view)) {
    for (std::size_t i = 0; i < size; ++i) values[i] = element(view, i, 0);
  }
  return values;
}

}  // namespace tensim
