#include "orthonormal.h"

#include <algorithm>
#include <cmath>

namespace tensim {

Matrix<double> row_space(const Context& context, const Matrix<double>& matrix) {
  const std::size_t k = matrix.columns;
  if (k <= matrix.rows) {
    Matrix<double> identity = Matrix<double>::zeros(k, k);
    for (std::size_t i = 0; i < k; ++i) identity.row(i)[i] = 1;
    return identity;
  }
  const MicroKernels<double>& kernels = context.kernels.f64;
  Matrix<double> basis(matrix.rows, k);
  std::size_t rank = 0;
  for (std::size_t i = 0; i < matrix.rows; ++i) {
    context.control.throw_if_aborted();
    double* row = basis.row(rank);
    std::copy_n(matrix.row(i), k, row);
    const double whole = kernels.dot(k, row, row);
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t j = 0; j < rank; ++j)
        kernels.axpy(k, -kernels.dot(k, row, basis.row(j)), basis.row(j), row, true);
    }
    const double left = kernels.dot(k, row, row);
    constexpr double kNothing = 1e-28;  // of the squared length: no more than rounding
    if (!(left > kNothing * whole)) continue;
    kernels.axpy(k, 1 / std::sqrt(left), row, row, false);
    ++rank;
  }
  return Matrix<double>::copy(basis.block(0, rank, 0, k));
}

}  // namespace tensim
