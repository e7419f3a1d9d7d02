#include "folded.h"

#include <algorithm>
#include <utility>

#include "../gemm/gemm.h"

namespace tensim {

FoldedMatrix FoldedMatrix::allocate(std::size_t rows, std::size_t columns) {
  FoldedMatrix matrix;
  // An empty matrix is present all the same, so that a block without units stays distinct from no matrix at all.
  matrix.own = AlignedBuffer<double>(std::max<std::size_t>(1, rows * columns));
  matrix.view = MatrixView::row_major(matrix.own.data(), rows, columns);
  return matrix;
}

FoldedMatrix folded_product(const Context& context, const MatrixView& a, const MatrixView& b) {
  FoldedMatrix c = FoldedMatrix::allocate(a.rows, b.columns);
  gemm<double>(context, a, b, c.data(), static_cast<std::ptrdiff_t>(b.columns));
  return c;
}

FoldedMatrix scaled(const MatrixView& a, double factor) {
  FoldedMatrix c = FoldedMatrix::allocate(a.rows, a.columns);
  visit(a, [&](const auto* data) {
    for (std::size_t i = 0; i < a.rows; ++i) {
      const auto* const row = data + static_cast<std::ptrdiff_t>(i) * a.row_stride;
      double* const to = c.data() + i * a.columns;
      for (std::size_t j = 0; j < a.columns; ++j)
        to[j] = factor * static_cast<double>(row[static_cast<std::ptrdiff_t>(j) * a.column_stride]);
    }
  });
  return c;
}

FoldedMatrix scaled_identity(std::size_t size, double factor) {
  FoldedMatrix c = FoldedMatrix::allocate(size, size);
  c.own.clear();
  for (std::size_t i = 0; i < size; ++i) c.own[i * size + i] = factor;
  return c;
}

FoldedFront::FoldedFront(const ChainView& chain) : sigma(chain.law.sigma) {
  offset = vector_of(chain.law.mean, chain.inputs);
  if (!absent(chain.law.factor)) {
    identity = false;
    matrix.view = chain.law.factor;
  }
}

void FoldedFront::add(const Context& context, const LinearView& layer) {
  std::vector<double> moved = multiply_vector(context, layer.weight, offset, layer.bias);
  matrix = after(context, layer.weight);
  identity = false;
  offset = std::move(moved);
}

FoldedMatrix FoldedFront::after(const Context& context, const MatrixView& w) const {
  if (!identity) return folded_product(context, w, matrix.view);
  if (sigma != 1) return scaled(w, sigma);
  FoldedMatrix borrowed;
  borrowed.view = w;
  return borrowed;
}

FoldedMatrix FoldedFront::take(std::size_t inputs) {
  FoldedMatrix taken = identity ? scaled_identity(inputs, sigma) : std::move(matrix);
  identity = true;
  sigma = 1;
  matrix = {};
  return taken;
}

}  // namespace tensim
