#include "block_products.h"

#include <algorithm>

#include "../core/assert.h"
#include "../gemm/pack.h"

namespace tensim {
namespace {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

// Models along the side of a block at most. What packing costs is shared by as many products of an element, and the
// sums stay in a cache.
constexpr std::size_t kSide = 512;

// The side of blocks of nearly the same size that cut `count` models into few.
std::size_t block_side(std::size_t count) {
  return ceil_div(std::max<std::size_t>(1, count), std::max<std::size_t>(1, ceil_div(count, kSide)));
}

// Stands for a model that is absent.
template <class T>
const T* zeros() {
  static const T none[product_step<T>()] = {};
  return none;
}

}  // namespace

std::vector<ModelBlock> model_blocks(bool symmetric, std::size_t rows, std::size_t columns) {
  const std::size_t height = block_side(rows), width = block_side(columns);
  std::vector<ModelBlock> blocks;
  for (std::size_t i0 = 0; i0 < rows; i0 += height) {
    for (std::size_t j0 = symmetric ? i0 : 0; j0 < columns; j0 += width)
      blocks.push_back({i0, std::min(rows, i0 + height), j0, std::min(columns, j0 + width)});
  }
  return blocks;
}

template <class T>
BlockProducts<T>::BlockProducts(const Context& context, bool symmetric, const ModelBlock& block)
    : context_(context), symmetric_(symmetric), block_(block) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  TENSIM_ASSERT(block.area() >= 1 && kernels.nr % kernels.width == 0);
  const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr);
  above_.assign(ceil_div(block.height(), mr) * mr, zeros<T>());
  across_.assign(block.width(), zeros<T>());
  panel_ = Scratch<T>(nr * product_step<T>());
  sums_ = Scratch<double>(above_.size() * ceil_div(block.width(), nr) * nr);
}

template <class T>
void BlockProducts<T>::add(const std::vector<const T*>& rows, const std::vector<const T*>& columns, std::size_t begin,
                           std::size_t end, bool anew) {
  const MicroKernels<T>& kernels = context_.kernels.of<T>();
  const auto width = static_cast<std::size_t>(kernels.width), mr = static_cast<std::size_t>(kernels.mr),
             nr = static_cast<std::size_t>(kernels.nr);
  const std::size_t row_tiles = above_.size() / mr, panels = ceil_div(block_.width(), nr), tile = mr * nr;
  for (std::size_t at = begin; at < end; at += product_step<T>(), anew = false) {
    context_.control.throw_if_aborted();
    const std::size_t length = std::min(product_step<T>(), end - at);
    for (std::size_t i = 0; i < block_.height(); ++i) {
      if (rows[block_.i0 + i] != nullptr) above_[i] = rows[block_.i0 + i] + at;
    }
    for (std::size_t j = 0; j < block_.width(); ++j) {
      if (columns[block_.j0 + j] != nullptr) across_[j] = columns[block_.j0 + j] + at;
    }
    for (std::size_t q = 0; q < panels; ++q) {
      const std::size_t left = q * nr, count = std::min(nr, block_.width() - left), registers = ceil_div(count, width);
      const std::size_t pitch = registers * width;
      // Of one model or few, most of a panel is nothing but zeros.
      if (count < pitch) std::fill(panel_.data(), panel_.data() + length * pitch, T(0));
      interleave(kernels, across_.data() + left, count, length, pitch, panel_.data());
      for (std::size_t p = 0; p < row_tiles; ++p) {
        const std::size_t skipped = below_diagonal(symmetric_, block_, p * mr, left) / width;
        if (skipped >= registers) break;
        kernels.products(length, above_.data() + p * mr, panel_.data() + skipped * width, pitch,
                         static_cast<int>(registers - skipped),
                         sums_.data() + (p * panels + q) * tile + skipped * width, anew);
      }
    }
    context_.control.advance(2 * length * block_.area());
  }
}

template <class T>
void BlockProducts<T>::put(double* to, std::size_t to_row, bool accumulate) const {
  const MicroKernels<T>& kernels = context_.kernels.of<T>();
  const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr);
  const std::size_t panels = ceil_div(block_.width(), nr), tile = mr * nr;
  for (std::size_t i = 0; i < block_.height(); ++i) {
    for (std::size_t j0 = 0; j0 < block_.width(); j0 += nr) {
      const double* from = sums_.data() + (i / mr * panels + j0 / nr) * tile + i % mr * nr;
      const std::size_t first = below_diagonal(symmetric_, block_, i, j0), last = std::min(nr, block_.width() - j0);
      double* row = to + i * to_row + j0;
      for (std::size_t j = first; j < last; ++j) row[j] = accumulate ? row[j] + from[j] : from[j];
    }
  }
}

template class BlockProducts<double>;
template class BlockProducts<float>;

}  // namespace tensim
