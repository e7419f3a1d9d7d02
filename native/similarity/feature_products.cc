#include "feature_products.h"

#include <algorithm>

#include "../core/scratch.h"

namespace tensim {
namespace {

// Partial products that are kept before they are added up.
constexpr std::size_t kPartials = std::size_t{1} << 21;

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
    for (std::size_t begin = offsets[c]; begin < offsets[c + 1]; begin += kProductPart) {
      parts_.push_back({c, begin, std::min(kProductPart, offsets[c + 1] - begin), begin == offsets[c]});
    }
  }
  for (const ModelBlock& models : model_blocks(symmetric, rows_.size(), columns_.size())) {
    blocks_.push_back({models, area_});
    area_ += models.area();
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
    return slices + (part.output * rows_.size() + block.models.i0) * columns_.size() + block.models.j0;
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
        multiply(part, block, partial_of(w, block), block.models.width(), false);
      }
    });
    if (waiting.empty()) continue;
    context_.parallel_for(blocks_.size(), [&](std::size_t b) {
      const Block& block = blocks_[b];
      for (std::size_t w = 0; w < waiting.size(); ++w) {
        add_rows(block, partial_of(w, block), block.models.width(), place_of(*waiting[w], block), columns_.size());
      }
    });
  }
}

template <class T>
void FeatureProducts<T>::add_rows(const Block& block, const double* from, std::size_t from_row, double* to,
                                  std::size_t to_row) const {
  for (std::size_t i = 0; i < block.models.height(); ++i) {
    for (std::size_t j = below_diagonal(symmetric_, block.models, i, 0); j < block.models.width(); ++j)
      to[i * to_row + j] += from[i * from_row + j];
  }
}

template <class T>
void FeatureProducts<T>::multiply(const Part& part, const Block& block, double* to, std::size_t to_row,
                                  bool accumulate) const {
  BlockProducts<T> products(context_, symmetric_, block.models);
  products.add(rows_, columns_, part.begin, part.begin + part.length, true);
  products.put(to, to_row, accumulate);
}

template class FeatureProducts<double>;
template class FeatureProducts<float>;

}  // namespace tensim
