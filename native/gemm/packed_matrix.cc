#include "packed_matrix.h"

#include <algorithm>

#include "../core/assert.h"
#include "pack.h"

namespace tensim {
namespace {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

// A column panel of this depth stays in the first cache, the row panels of a chunk in the second.
constexpr std::size_t kDeepest = 256;

}  // namespace

template <class T>
PackedMatrix<T>::PackedMatrix(const MicroKernels<T>& kernels, const std::vector<MatrixView>& stacked)
    : depth_(stacked.front().columns) {
  for (const MatrixView& view : stacked) {
    TENSIM_ASSERT(view.columns == depth_);
    outputs_ += view.rows;
  }
  const auto nr = static_cast<std::size_t>(kernels.nr);
  const std::size_t panel_count = ceil_div(outputs_, nr);
  block_ = depth_ == 0 ? 1 : ceil_div(depth_, ceil_div(depth_, kDeepest));
  panels_ = AlignedBuffer<T>::zeros(panel_count * nr * depth_);
  std::size_t output = 0;
  for (const MatrixView& view : stacked) {
    visit(view, [&](const auto* data) {
      for (std::size_t row = 0; row < view.rows; ++row, ++output) {
        const auto* from = data + static_cast<std::ptrdiff_t>(row) * view.row_stride;
        for (std::size_t k0 = 0; k0 < depth_; k0 += block_) {
          const std::size_t count = std::min(block_, depth_ - k0);
          T* to = panels_.data() + panel_count * nr * k0 + output / nr * nr * count + output % nr;
          for (std::size_t k = 0; k < count; ++k)
            to[k * nr] = static_cast<T>(from[static_cast<std::ptrdiff_t>(k0 + k) * view.column_stride]);
        }
      }
    });
  }
}

template <class T>
void PackedMatrix<T>::multiply(const MicroKernels<T>& kernels, const T* x, std::size_t rows, T* y,
                               AlignedBuffer<T>& scratch) const {
  const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr);
  if (depth_ == 0) {
    std::fill(y, y + rows * outputs_, T(0));
    return;
  }
  const std::size_t row_panels = ceil_div(rows, mr), column_panels = ceil_div(outputs_, nr);
  if (scratch.size() < row_panels * mr * block_) scratch = AlignedBuffer<T>(row_panels * mr * block_);
  std::vector<std::ptrdiff_t> lanes(mr), steps(block_);
  for (std::size_t lane = 0; lane < mr; ++lane) lanes[lane] = static_cast<std::ptrdiff_t>(lane * depth_);
  for (std::size_t k = 0; k < block_; ++k) steps[k] = static_cast<std::ptrdiff_t>(k);
  const auto stride = static_cast<std::ptrdiff_t>(outputs_);
  for (std::size_t k0 = 0; k0 < depth_; k0 += block_) {
    const std::size_t count = std::min(block_, depth_ - k0);
    for (std::size_t p = 0; p < row_panels; ++p) {
      pack_panel(x + p * mr * depth_ + k0, lanes.data(), std::min(mr, rows - p * mr), steps.data(), count, mr, T(1),
                 scratch.data() + p * mr * count);
    }
    const T* panels = panels_.data() + column_panels * nr * k0;
    for (std::size_t q = 0; q < column_panels; ++q) {
      const int columns = static_cast<int>(std::min(nr, outputs_ - q * nr));
      for (std::size_t p = 0; p < row_panels; ++p) {
        const auto height = static_cast<int>(std::min(mr, rows - p * mr));
        kernels.gemm(count, scratch.data() + p * mr * count, panels + q * nr * count,
                     {y + p * mr * outputs_ + q * nr, stride, 1, height, columns, k0 == 0});
      }
    }
  }
}

template class PackedMatrix<double>;
template class PackedMatrix<float>;

}  // namespace tensim
