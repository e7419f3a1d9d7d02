#include "tridiagonal.h"

#include <algorithm>
#include <cmath>

namespace tensim {

// H = 1 − β v vᵀ empties row i left of its off-diagonal and acts on the leading i×i part:
// p = β A v, w = p − ½β(p·v) v, A ← A − v wᵀ − w vᵀ.
Tridiagonal::Tridiagonal(const Context& context, double* matrix, std::size_t size)
    : diagonal(size),
      off_diagonal(size),
      kernels_(context.kernels.f64),
      matrix_(matrix),
      size_(size),
      betas_(size) {
  std::vector<double> w(size);
  for (std::size_t i = size; i-- > 1;) {
    context.control.throw_if_aborted();
    double* v = row(i);
    off_diagonal[i - 1] = reflection(v, i, betas_[i]);
    const double beta = betas_[i];
    if (beta != 0) {
      multiply_lower(v, i, w.data());
      const double overlap = beta * kernels_.dot(i, w.data(), v);
      for (std::size_t k = 0; k < i; ++k) w[k] = beta * (w[k] - overlap / 2 * v[k]);
      for (std::size_t j = 0; j < i; ++j) {
        kernels_.axpy(j + 1, -v[j], w.data(), row(j), true);
        kernels_.axpy(j + 1, -w[j], v, row(j), true);
      }
    }
    context.control.advance(4 * i * i);
  }
  for (std::size_t i = 0; i < size; ++i) diagonal[i] = row(i)[i];
}

// Replaces the row by the v of the reflection that maps it to (0, …, 0, value); returns the value.
double Tridiagonal::reflection(double* row, std::size_t length, double& beta) const {
  const std::size_t last = length - 1;
  const double rest = kernels_.dot(last, row, row), end = row[last];
  beta = 0;
  if (rest == 0) return end;
  const double norm = std::sqrt(rest + end * end);
  const double value = end > 0 ? -norm : norm;  // of the two signs the one that cancels nothing
  row[last] = end - value;
  beta = 2 / (rest + row[last] * row[last]);
  return value;
}

// A v for the leading part, each entry of the lower triangle read once.
void Tridiagonal::multiply_lower(const double* v, std::size_t length, double* product) const {
  std::fill_n(product, length, 0.0);
  for (std::size_t j = 0; j < length; ++j) {
    const double* a = row(j);
    kernels_.axpy(j, v[j], a, product, true);
    product[j] += kernels_.dot(j + 1, a, v);
  }
}

void Tridiagonal::reflect_back(double* x) const {
  for (std::size_t i = 1; i < size_; ++i) {
    if (betas_[i] != 0) kernels_.axpy(i, -betas_[i] * kernels_.dot(i, row(i), x), row(i), x, true);
  }
}

}  // namespace tensim
