#pragma once

#include <cstddef>
#include <vector>

#include "../core/context.h"
#include "../core/matrix.h"
#include "../core/matrix_view.h"

namespace tensim {

// Offsets that somebody else holds.
struct Offsets {
  const std::ptrdiff_t* data = nullptr;
  std::size_t size = 0;

  Offsets(const std::ptrdiff_t* data, std::size_t size) : data(data), size(size) {}
  Offsets(const std::vector<std::ptrdiff_t>& offsets) : data(offsets.data()), size(offsets.size()) {}
  Offsets part(std::size_t first, std::size_t count) const { return {data + first, count}; }
};

// A matrix scattered in memory: element (i, j) is data[rows[i] + columns[j]] (offsets in elements). Any bundling of a
// tensor's axes into two is such a matrix, so that contractions need no transposed copies (Matthews, "High-performance
// tensor contraction without transposition", 2018).
struct ScatterMatrix {
  const void* data = nullptr;
  DType dtype = DType::kFloat64;
  Offsets rows;
  Offsets columns;
  double factor = 1;  // every element counts as multiplied by it
};

// Where a product goes: element (i, j) to data[rows[i] + columns[j]]. No two elements may coincide.
template <class T>
struct ScatterTarget {
  T* data = nullptr;
  Offsets rows;
  Offsets columns;
};

// C = A·B, or C += A·B with `accumulate`, for T = double or float, computed in T. A is (m, k), B (k, n), C (m, n) and
// must not overlap them; k = 0 is an empty sum. Blocks where the offsets of C step evenly, by one along its columns,
// are written straight from the registers. The result does not depend on the number of threads: every element of C is
// summed over k in one fixed order.
template <class T>
void gemm(const Context& context, const ScatterMatrix& a, const ScatterMatrix& b, const ScatterTarget<T>& c,
          bool accumulate);

// The same for strided matrices.
template <class T>
void gemm(const Context& context, const MatrixView& a, const MatrixView& b, T* c, std::ptrdiff_t row_stride,
          std::ptrdiff_t column_stride = 1, bool accumulate = false);

// A·B as a matrix of its own, computed in T.
template <class T>
Matrix<T> multiply(const Context& context, const MatrixView& a, const MatrixView& b);

// W·x + b, in double.
std::vector<double> multiply_vector(const Context& context, const MatrixView& w, const std::vector<double>& x,
                                    const MatrixView& b);

// factor · M·x, added to y, in double.
template <class T>
void add_product(const Matrix<T>& matrix, const double* x, double factor, double* y);

// Bytes that a product of these sizes allocates for its packed panels, at most.
std::size_t gemm_workspace(const KernelSet& kernels, DType dtype, std::size_t m, std::size_t n, std::size_t k);

// 0, stride, 2·stride …
std::vector<std::ptrdiff_t> strided_offsets(std::size_t count, std::ptrdiff_t stride);

}  // namespace tensim
