#include "feature_products.h"

#include <algorithm>

#include "../core/assert.h"
#include "../core/scratch.h"
#include "../gemm/pack.h"

namespace tensim {
namespace {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

// Models along the side of a block at most. What packing costs is shared by as many products of an element, and the
// sums stay in a cache.
constexpr std::size_t kSide = 512;
// Bytes of a vector that are multiplied at a time: those of the rows of a kernel's tile fit the first cache, a panel of
// columns the second.
constexpr std::size_t kStepBytes = 2048;
// Elements of a part: few enough for a long vector to feed many threads.
constexpr std::size_t kPart = std::size_t{1} << 14;
// Partial products that are kept before they are added up.
constexpr std::size_t kPartials = std::size_t{1} << 21;

// The side of blocks of nearly the same size that cut `count` models into few.
std::size_t block_side(std::size_t count) {
  return ceil_div(std::max<std::size_t>(1, count), std::max<std::size_t>(1, ceil_div(count, kSide)));
}

// Element `at` of a model and those after it; zeros stand for a model that is absent.
template <class T>
const T* elements(const T* model, std::size_t at) {
  static const T zeros[kStepBytes / sizeof(T)] = {};
  return model == nullptr ? zeros : model + at;
}

}  // namespace

template <class T>
FeatureProducts<T>::FeatureProducts(const Context& context, bool symmetric, std::vector<const T*> rows,
                                    std::vector<const T*> columns, const std::vector<std::size_t>& offsets)
    : context_(context),
      symmetric_(symmetric),
      rows_(std::move(rows)),
      columns_(std::move(columns)),
      outputs_(offsets.empty() ? 0 : offsets.size() - 1) {
  for (std::size_t c = 0; c < outputs_; ++c) {
    for (std::size_t begin = offsets[c]; begin < offsets[c + 1]; begin += kPart) {
      parts_.push_back({c, begin, std::min(kPart, offsets[c + 1] - begin), begin == offsets[c]});
    }
  }
  const std::size_t height = block_side(rows_.size()), width = block_side(columns_.size());
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
  const auto place_of = [&](const Part& part, const Block& block) {
    return slices + (part.output * rows_.size() + block.i0) * columns_.size() + block.j0;
  };
  const std::size_t at_once = std::clamp<std::size_t>(kPartials / area_, 1, parts_.size());
  for (std::size_t p0 = 0; p0 < parts_.size(); p0 += at_once) {
    const std::size_t count = std::min(at_once, parts_.size() - p0);
    std::vector<const Part*> waiting;  // the first part of an output is added to its place at once
    for (std::size_t p = p0; p < p0 + count; ++p) {
      if (!parts_[p].first) waiting.push_back(&parts_[p]);
    }
    Scratch<double> partials(waiting.size() * area_);
    const auto partial_of = [&](std::size_t w, const Block& block) { return partials.data() + w * area_ + block.at; };
    // All blocks of a part follow each other: they read the same elements.
    context_.parallel_for(count * blocks_.size(), [&](std::size_t task) {
      const Part& part = parts_[p0 + task / blocks_.size()];
      const Block& block = blocks_[task % blocks_.size()];
      if (part.first) {
        multiply(part, block, place_of(part, block), columns_.size(), true);
      } else {
        const auto w = static_cast<std::size_t>(std::find(waiting.begin(), waiting.end(), &part) - waiting.begin());
        multiply(part, block, partial_of(w, block), block.width(), false);
      }
    });
    if (waiting.empty()) continue;
    context_.parallel_for(blocks_.size(), [&](std::size_t b) {
      const Block& block = blocks_[b];
      for (std::size_t w = 0; w < waiting.size(); ++w) {
        add_rows(block, partial_of(w, block), block.width(), place_of(*waiting[w], block), columns_.size());
      }
    });
  }
}

template <class T>
void FeatureProducts<T>::add_rows(const Block& block, const double* from, std::size_t from_row, double* to,
                                  std::size_t to_row) const {
  for (std::size_t i = 0; i < block.height(); ++i) {
    for (std::size_t j = below_diagonal(block, i, 0); j < block.width(); ++j)
      to[i * to_row + j] += from[i * from_row + j];
  }
}

template <class T>
void FeatureProducts<T>::multiply(const Part& part, const Block& block, double* to, std::size_t to_row,
                                  bool accumulate) const {
  const MicroKernels<T>& kernels = context_.kernels.of<T>();
  TENSIM_ASSERT(part.length >= 1 && block.area() >= 1 && kernels.nr % kernels.width == 0);
  const auto width = static_cast<std::size_t>(kernels.width), mr = static_cast<std::size_t>(kernels.mr),
             nr = static_cast<std::size_t>(kernels.nr);
  const std::size_t row_tiles = ceil_div(block.height(), mr), panels = ceil_div(block.width(), nr), tile = mr * nr;
  constexpr std::size_t kStep = kStepBytes / sizeof(T);
  Scratch<T> panel(nr * std::min(kStep, part.length));
  Scratch<double> tiles(row_tiles * panels * tile);
  std::vector<const T*> rows(row_tiles * mr), columns(block.width());
  for (std::size_t k = 0; k < part.length; k += kStep) {
    context_.control.throw_if_aborted();
    const std::size_t at = part.begin + k, length = std::min(kStep, part.length - k);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i] = elements(i < block.height() ? rows_[block.i0 + i] : nullptr, at);
    }
    for (std::size_t j = 0; j < columns.size(); ++j) {
      columns[j] = elements(columns_[block.j0 + j], at);
    }
    for (std::size_t q = 0; q < panels; ++q) {
      const std::size_t first = q * nr, count = std::min(nr, block.width() - first), registers = ceil_div(count, width);
      const std::size_t pitch = registers * width;
      // Of one model or few, most of a panel is nothing but zeros.
      if (count < pitch) std::fill(panel.data(), panel.data() + length * pitch, T(0));
      interleave(columns.data() + first, count, length, pitch, panel.data());
      for (std::size_t p = 0; p < row_tiles; ++p) {
        const std::size_t skipped = below_diagonal(block, p * mr, first) / width;
        if (skipped >= registers) break;
        kernels.products(length, rows.data() + p * mr, panel.data() + skipped * width, pitch,
                         static_cast<int>(registers - skipped),
                         tiles.data() + (p * panels + q) * tile + skipped * width, k == 0);
      }
    }
    context_.control.advance(2 * length * block.area());
  }
  for (std::size_t i = 0; i < block.height(); ++i) {
    for (std::size_t j0 = 0; j0 < block.width(); j0 += nr) {
      const double* from = tiles.data() + (i / mr * panels + j0 / nr) * tile + i % mr * nr;
      const std::size_t first = below_diagonal(block, i, j0), last = std::min(nr, block.width() - j0);
      double* row = to + i * to_row + j0;
      for (std::size_t j = first; j < last; ++j) row[j] = accumulate ? row[j] + from[j] : from[j];
    }
  }
}

// How many of the columns from `column` on are of no use to the rows from `row` on, both counted within a block.
template <class T>
std::size_t FeatureProducts<T>::below_diagonal(const Block& block, std::size_t row, std::size_t column) const {
  const std::size_t i = block.i0 + row, j = block.j0 + column;
  return symmetric_ && i > j ? i - j : 0;
}

template class FeatureProducts<double>;
template class FeatureProducts<float>;

}  // namespace tensim
