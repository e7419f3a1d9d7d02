#include "tridiagonal.h"

#include <cmath>

namespace tensim {

// H = 1 − β v vᵀ empties row i left of its off-diagonal and acts on the leading i×i part: p = β A v, w = p − ½β(p·v) v,
// A ← A − v wᵀ − w vᵀ. Both triangles are kept up: a pass of one kernel over the whole square is faster than two over
// rows of half a triangle (eleven matrices of 256 with all that follows: 128 ms → 84 ms).
Tridiagonal::Tridiagonal(const Context& context, double* matrix, std::size_t size)
    : diagonal(size), off_diagonal(size), kernels_(context.kernels.f64), matrix_(matrix), size_(size), betas_(size) {
  // The sides of the update as a product of depth two: [−v | −w] (i, 2), and w over v (2, i).
  std::vector<double> columns(2 * size), rows(2 * size);
  double* w = rows.data();
  const auto stride = static_cast<std::ptrdiff_t>(size);
  for (std::size_t i = size; i-- > 1;) {
    context.control.throw_if_aborted();
    double* v = row(i);
    off_diagonal[i - 1] = reflection(v, i, betas_[i]);
    const double beta = betas_[i];
    if (beta != 0) {
      kernels_.small({{v, 0, 1}, {matrix_, stride}, {w, 0}, 1, i, i, true});
      const double overlap = beta * kernels_.dot(i, w, v);
      for (std::size_t k = 0; k < i; ++k) {
        w[k] = beta * (w[k] - overlap / 2 * v[k]);
        rows[size + k] = v[k];
        columns[2 * k] = -v[k];
        columns[2 * k + 1] = -w[k];
      }
      kernels_.small({{columns.data(), 2, 1}, {w, stride}, {matrix_, stride}, i, i, 2, false});
    }
    context.control.advance(6 * i * i);
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

void Tridiagonal::reflect_back(double* x) const {
  for (std::size_t i = 1; i < size_; ++i) {
    if (betas_[i] != 0) kernels_.axpy(i, -betas_[i] * kernels_.dot(i, row(i), x), row(i), x, true);
  }
}

}  // namespace tensim
