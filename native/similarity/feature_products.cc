#include "feature_products.h"

#include <algorithm>

#include "../core/scratch.h"

namespace tensim {
namespace {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

// Models along the side of a block at most: the packed panels of two sides stay in the second cache.
constexpr std::size_t kSide = 256;
// Elements of a part, and of a vector packed at a time. Within the latter float32 sums in float32, beyond in double.
constexpr std::size_t kPart = 4096;
constexpr std::size_t kDepth = 256;
// Partial products that are kept before they are added up.
constexpr std::size_t kPartials = std::size_t{1} << 21;
// What a tile of these sides takes in whole micro-tiles.
std::size_t padded(std::size_t rows, std::size_t columns, std::size_t mr, std::size_t nr) {
  return ceil_div(rows, mr) * mr * ceil_div(columns, nr) * nr;
}

// The side of blocks of nearly the same size that cut `count` models into few, in whole column panels.
std::size_t side_of(std::size_t count, std::size_t nr) {
  return ceil_div(ceil_div(count, std::max<std::size_t>(1, ceil_div(count, kSide))), nr) * nr;
}

template <class T>
bool swap_is_better(const MicroKernels<T>& kernels, std::size_t rows, std::size_t columns) {
  const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr);
  return padded(columns, rows, mr, nr) < padded(rows, columns, mr, nr);
}

// Elements k0 … k0 + count − 1 of `lanes` vectors as a panel: panel[k·width + lane], absent vectors and lanes beyond the last as zeros.
template <class T>
void pack_vectors(const T* const* vectors, std::size_t lanes, std::size_t k0, std::size_t count, std::size_t width,
                  T* panel) {
  static const T zeros[kDepth] = {};
  const auto source = [&](std::size_t lane) {
    return lane < lanes && vectors[lane] != nullptr ? vectors[lane] + k0 : zeros;
  };
  // Pairs of lanes side by side: the widths are even, and two elements make a store of a whole word or more.
  for (std::size_t lane = 0; lane < width; lane += 2) {
    const T *x = source(lane), *y = source(lane + 1);
    T* to = panel + lane;
    for (std::size_t k = 0; k < count; ++k) {
      to[k * width] = x[k];
      to[k * width + 1] = y[k];
    }
  }
}

// Adds a micro-tile to the sums: straight from the registers where they are of its type, through a buffer where they are wider.
void add_tile(const MicroKernels<double>& kernels, std::size_t depth, const double* a, const double* b, double* sums,
              std::size_t stride, int rows, int columns) {
  kernels.gemm(depth, a, b, sums, static_cast<std::ptrdiff_t>(stride), 1, rows, columns, false);
}
void add_tile(const MicroKernels<float>& kernels, std::size_t depth, const float* a, const float* b, double* sums,
              std::size_t stride, int rows, int columns) {
  constexpr std::size_t kLargestTile = 1024;  // elements; no kernel's tile is larger
  alignas(64) float tile[kLargestTile];
  kernels.gemm(depth, a, b, tile, kernels.nr, 1, kernels.mr, kernels.nr, true);
  for (int i = 0; i < rows; ++i) {
    const float* from = tile + i * kernels.nr;
    double* to = sums + static_cast<std::size_t>(i) * stride;
    for (int j = 0; j < columns; ++j) to[j] += static_cast<double>(from[j]);
  }
}

}  // namespace

template <class T>
FeatureProducts<T>::FeatureProducts(const Context& context, bool symmetric, std::vector<const T*> rows,
                                    std::vector<const T*> columns, const std::vector<std::size_t>& offsets)
    : context_(context),
      symmetric_(symmetric),
      rows_(std::move(rows)),
      columns_(std::move(columns)),
      outputs_(offsets.empty() ? 0 : offsets.size() - 1),
      swapped_(!symmetric && swap_is_better(context.kernels.of<T>(), rows_.size(), columns_.size())) {
  for (std::size_t c = 0; c < outputs_; ++c) {
    for (std::size_t begin = offsets[c]; begin < offsets[c + 1]; begin += kPart) {
      parts_.push_back({c, begin, std::min(kPart, offsets[c + 1] - begin)});
    }
  }
  const auto nr = static_cast<std::size_t>(context.kernels.of<T>().nr);
  const std::size_t height = side_of(rows_.size(), nr), width = side_of(columns_.size(), nr);
  for (std::size_t i0 = 0; i0 < rows_.size(); i0 += height) {
    for (std::size_t j0 = symmetric ? i0 : 0; j0 < columns_.size(); j0 += width) {
      const Block block{i0, std::min(rows_.size(), i0 + height), j0, std::min(columns_.size(), j0 + width), area_};
      blocks_.push_back(block);
      area_ += (block.i1 - i0) * (block.j1 - j0);
    }
  }
}

template <class T>
std::uint64_t FeatureProducts<T>::flops() const {
  std::uint64_t elements = 0;
  for (const Part& part : parts_) elements += part.length;
  return 2 * elements * area_;
}

template <class T>
void FeatureProducts<T>::add(double* slices) const {
  if (parts_.empty() || area_ == 0) return;
  const std::size_t at_once = std::clamp<std::size_t>(kPartials / area_, 1, parts_.size());
  Scratch<double> partials(at_once * area_);
  for (std::size_t p0 = 0; p0 < parts_.size(); p0 += at_once) {
    const std::size_t count = std::min(at_once, parts_.size() - p0);
    // All blocks of a part follow each other: they read the same elements.
    context_.parallel_for(count * blocks_.size(), [&](std::size_t task) {
      const Part& part = parts_[p0 + task / blocks_.size()];
      const Block& block = blocks_[task % blocks_.size()];
      const std::size_t area = (block.i1 - block.i0) * (block.j1 - block.j0);
      multiply(part, block, partials.data() + task / blocks_.size() * area_ + block.at);
      context_.control.advance(2 * part.length * area);
    });
    context_.parallel_for(blocks_.size(), [&](std::size_t b) {
      const Block& block = blocks_[b];
      const std::size_t height = block.i1 - block.i0, width = block.j1 - block.j0;
      for (std::size_t p = 0; p < count; ++p) {
        const double* sums = partials.data() + p * area_ + block.at;
        const std::size_t row_stride = swapped_ ? 1 : width, column_stride = swapped_ ? height : 1;
        for (std::size_t i = 0; i < height; ++i) {
          const std::size_t first = symmetric_ && block.i0 + i > block.j0 ? block.i0 + i - block.j0 : 0;
          double* to = slices + ((block.i0 + i) * columns_.size() + block.j0) * outputs_ + parts_[p0 + p].output;
          for (std::size_t j = first; j < width; ++j) to[j * outputs_] += sums[i * row_stride + j * column_stride];
        }
      }
    });
  }
}

template <class T>
void FeatureProducts<T>::multiply(const Part& part, const Block& block, double* sums) const {
  if (symmetric_ || rows_ != columns_) return multiply_packed(part, block, sums);
  // Both orders of a pair by itself: dot products read it once, without packing. They round otherwise, so that no tile of a matrix, where
  // results may not depend on the others in the tile, is computed so.
  const std::size_t height = block.i1 - block.i0, width = block.j1 - block.j0;
  for (std::size_t i = 0; i < height; ++i) {
    for (std::size_t j = 0; j < width; ++j) {
      const T *x = rows_[block.i0 + i], *y = columns_[block.j0 + j];
      const bool present = x != nullptr && y != nullptr;
      sums[swapped_ ? j * height + i : i * width + j] =
          present ? context_.kernels.of<T>().dot(part.length, x + part.begin, y + part.begin) : 0;
    }
  }
}

template <class T>
void FeatureProducts<T>::multiply_packed(const Part& part, const Block& block, double* sums) const {
  const MicroKernels<T>& kernels = context_.kernels.of<T>();
  const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr);
  const T* const* a = swapped_ ? columns_.data() + block.j0 : rows_.data() + block.i0;
  const T* const* b = swapped_ ? rows_.data() + block.i0 : columns_.data() + block.j0;
  const std::size_t a_count = swapped_ ? block.j1 - block.j0 : block.i1 - block.i0;
  const std::size_t b_count = swapped_ ? block.i1 - block.i0 : block.j1 - block.j0;
  const std::size_t a_panels = ceil_div(a_count, mr), b_panels = ceil_div(b_count, nr);
  Scratch<T> row_panels(a_panels * mr * kDepth), column_panels(b_panels * nr * kDepth);
  std::fill(sums, sums + a_count * b_count, 0.0);
  for (std::size_t k = 0; k < part.length; k += kDepth) {
    const std::size_t count = std::min(kDepth, part.length - k);
    for (std::size_t p = 0; p < a_panels; ++p) {
      pack_vectors(a + p * mr, std::min(mr, a_count - p * mr), part.begin + k, count, mr,
                   row_panels.data() + p * mr * count);
    }
    for (std::size_t q = 0; q < b_panels; ++q) {
      pack_vectors(b + q * nr, std::min(nr, b_count - q * nr), part.begin + k, count, nr,
                   column_panels.data() + q * nr * count);
    }
    for (std::size_t q = 0; q < b_panels; ++q) {
      const std::size_t columns = std::min(nr, b_count - q * nr);
      for (std::size_t p = 0; p < a_panels; ++p) {
        // Below the diagonal nothing is needed.
        if (symmetric_ && block.i0 + p * mr >= block.j0 + q * nr + columns) break;
        add_tile(kernels, count, row_panels.data() + p * mr * count, column_panels.data() + q * nr * count,
                 sums + p * mr * b_count + q * nr, b_count, static_cast<int>(std::min(mr, a_count - p * mr)),
                 static_cast<int>(columns));
      }
    }
  }
}

template class FeatureProducts<double>;
template class FeatureProducts<float>;

}  // namespace tensim
