#include "feature_products.h"

#include <algorithm>

#include "../core/scratch.h"

namespace tensim {
namespace {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

// Models along the side of a block at most: their sums, a register each, and the elements multiplied at a time stay in the second cache.
constexpr std::size_t kSide = 96;
// Bytes of a vector that are multiplied at a time: those of the models of a kernel's tile fit the first cache together.
constexpr std::size_t kStepBytes = 4096;
// Elements of a part. Within it float32 sums in float32, beyond in double.
constexpr std::size_t kPart = 8192;
// Partial products that are kept before they are added up.
constexpr std::size_t kPartials = std::size_t{1} << 21;

// The side of blocks of nearly the same size that cut `count` models into few.
std::size_t side_of(std::size_t count) {
  return ceil_div(std::max<std::size_t>(1, count), std::max<std::size_t>(1, ceil_div(count, kSide)));
}

// The lanes of a register added up in double.
template <class T>
double add_lanes(const T* lanes, std::size_t width) {
  double even = 0, odd = 0;
  for (std::size_t lane = 0; lane < width; lane += 2) {
    even += static_cast<double>(lanes[lane]);
    odd += static_cast<double>(lanes[lane + 1]);
  }
  return even + odd;
}

// The models of a block side, as many as whole tiles take; absent ones are null.
template <class T>
std::vector<const T*> padded(const std::vector<const T*>& models, std::size_t first, std::size_t last,
                             std::size_t unit) {
  std::vector<const T*> result(models.begin() + static_cast<std::ptrdiff_t>(first),
                               models.begin() + static_cast<std::ptrdiff_t>(last));
  result.resize(ceil_div(last - first, unit) * unit, nullptr);
  return result;
}

// Where element `at` of each of `count` models is; zeros stand for the absent.
template <class T>
void point(const T* const* models, std::size_t count, std::size_t at, const T** pointers) {
  static const T zeros[kStepBytes / sizeof(T)] = {};
  for (std::size_t i = 0; i < count; ++i) pointers[i] = models[i] == nullptr ? zeros : models[i] + at;
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
      parts_.push_back({c, begin, std::min(kPart, offsets[c + 1] - begin)});
    }
  }
  const std::size_t height = side_of(rows_.size()), width = side_of(columns_.size());
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
        for (std::size_t i = 0; i < height; ++i) {
          const std::size_t first = symmetric_ && block.i0 + i > block.j0 ? block.i0 + i - block.j0 : 0;
          double* to = slices + ((block.i0 + i) * columns_.size() + block.j0) * outputs_ + parts_[p0 + p].output;
          for (std::size_t j = first; j < width; ++j) to[j * outputs_] += sums[i * width + j];
        }
      }
    });
  }
}

template <class T>
void FeatureProducts<T>::multiply(const Part& part, const Block& block, double* sums) const {
  const MicroKernels<T>& kernels = context_.kernels.of<T>();
  const auto width = static_cast<std::size_t>(kernels.width), mr = static_cast<std::size_t>(kernels.mr),
             nv = static_cast<std::size_t>(kernels.nr) / width;
  const std::size_t height = block.i1 - block.i0, across = block.j1 - block.j0;
  const std::vector<const T*> a = padded(rows_, block.i0, block.i1, mr), b = padded(columns_, block.j0, block.j1, nv);
  const std::size_t tile = mr * nv * width, tiles_across = b.size() / nv;
  Scratch<T> lanes(a.size() / mr * tiles_across * tile);
  std::fill(lanes.data(), lanes.data() + lanes.size(), T(0));
  // Below the diagonal nothing is needed.
  const auto wanted = [&](std::size_t p, std::size_t q) {
    return !symmetric_ || block.i0 + p < std::min(block.j1, block.j0 + q + nv);
  };
  constexpr std::size_t kStep = kStepBytes / sizeof(T);
  std::vector<const T*> left(mr), right(nv);
  for (std::size_t k = 0; k < part.length; k += kStep) {
    const std::size_t count = std::min(kStep, part.length - k);
    for (std::size_t p = 0; p < a.size(); p += mr) {
      point(a.data() + p, mr, part.begin + k, left.data());
      for (std::size_t q = 0; q < b.size(); q += nv) {
        if (!wanted(p, q)) continue;
        point(b.data() + q, nv, part.begin + k, right.data());
        kernels.products(count, left.data(), right.data(), lanes.data() + (p / mr * tiles_across + q / nv) * tile);
      }
    }
  }
  for (std::size_t i = 0; i < height; ++i) {
    for (std::size_t j = 0; j < across; ++j) {
      const std::size_t in_tile = i % mr * nv + j % nv;
      sums[i * across + j] = add_lanes(lanes.data() + (i / mr * tiles_across + j / nv) * tile + in_tile * width, width);
    }
  }
}

template class FeatureProducts<double>;
template class FeatureProducts<float>;

}  // namespace tensim
