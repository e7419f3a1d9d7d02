#pragma once

#include <cstddef>
#include <vector>

#include "../core/aligned_buffer.h"
#include "../core/context.h"
#include "../core/matrix_view.h"
#include "../layers/chain.h"

namespace tensim {

// A matrix that is either a view of somebody else's or its own.
struct FoldedMatrix {
  MatrixView view;
  AlignedBuffer<double> own;

  static FoldedMatrix allocate(std::size_t rows, std::size_t columns);
  double* data() { return own.data(); }
};

// A·B
FoldedMatrix folded_product(const Context& context, const MatrixView& a, const MatrixView& b);
// factor · A
FoldedMatrix scaled(const MatrixView& a, double factor);
// factor · I
FoldedMatrix scaled_identity(std::size_t size, double factor);

// The affine map z ↦ P z + p from the whitened input to where the chain has got. P = sigma · I is not stored.
struct FoldedFront {
  bool identity = true;
  double sigma = 1;
  FoldedMatrix matrix;
  std::vector<double> offset;

  // The law alone.
  explicit FoldedFront(const ChainView& chain);
  // Takes a linear layer in.
  void add(const Context& context, const LinearView& layer);

  // W·P, borrowing W itself where that is the same.
  FoldedMatrix after(const Context& context, const MatrixView& w) const;

  // P itself, leaving the identity.
  FoldedMatrix take(std::size_t inputs);
};

}  // namespace tensim
