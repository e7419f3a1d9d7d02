#pragma once

#include <cstddef>
#include <vector>

#include "../core/aligned_buffer.h"
#include "../core/matrix_view.h"
#include "kernels.h"

namespace tensim {

// The weights of a linear map in column panels (gemm/kernels.h), packed once for any number of products with rows of
// activations. The panels of one block of the depth follow each other; the map's outputs are their columns.
template <class T>
class PackedMatrix {
 public:
  PackedMatrix() = default;
  // The rows of several matrices of one width, stacked.
  PackedMatrix(const MicroKernels<T>& kernels, const std::vector<MatrixView>& stacked);

  std::size_t outputs() const { return outputs_; }
  std::size_t depth() const { return depth_; }
  std::size_t bytes() const { return panels_.bytes(); }

  // y_i = W x_i for `rows` contiguous rows x_i of length depth, into rows of length outputs; y must not overlap x.
  // `scratch` is reused from call to call.
  void multiply(const MicroKernels<T>& kernels, const T* x, std::size_t rows, T* y, AlignedBuffer<T>& scratch) const;

 private:
  std::size_t outputs_ = 0, depth_ = 0;
  std::size_t block_ = 0;  // steps of the depth packed together
  AlignedBuffer<T> panels_;
};

}  // namespace tensim
