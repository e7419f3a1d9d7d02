#pragma once

#include <cstddef>
#include <vector>

#include "../core/context.h"

namespace tensim {

// A symmetric matrix as Q T Qᵀ, T tridiagonal: the twin of lib/fallback/linalg/tridiagonal.ts. The matrix, row-major
// and whole, is overwritten, below its diagonal by the vectors of the reflections, and must outlive this.
class Tridiagonal {
 public:
  Tridiagonal(const Context& context, double* matrix, std::size_t size);

  // Q x, in place.
  void reflect_back(double* x) const;

  std::vector<double> diagonal;
  std::vector<double> off_diagonal;  // T_(i,i+1); the last is zero

 private:
  double reflection(double* row, std::size_t length, double& beta) const;
  double* row(std::size_t i) const { return matrix_ + i * size_; }

  const MicroKernels<double>& kernels_;
  double* matrix_;
  std::size_t size_;
  std::vector<double> betas_;
};

}  // namespace tensim
