#include "bundle.h"

#include <algorithm>

namespace tensim {

std::size_t extent(const Bundle& bundle) {
  std::size_t size = 1;
  for (const Loop& loop : bundle) size *= loop.size;
  return size;
}

std::vector<std::ptrdiff_t> offsets_of(const Bundle& bundle, std::ptrdiff_t Loop::*stride) {
  std::vector<std::ptrdiff_t> offsets{0};
  for (const Loop& loop : bundle) {
    std::vector<std::ptrdiff_t> next(offsets.size() * loop.size);
    for (std::size_t i = 0, at = 0; i < offsets.size(); ++i) {
      for (std::size_t j = 0; j < loop.size; ++j)
        next[at++] = offsets[i] + static_cast<std::ptrdiff_t>(j) * (loop.*stride);
    }
    offsets = std::move(next);
  }
  return offsets;
}

void fill_offsets(const Bundle& bundle, std::ptrdiff_t Loop::*stride, std::size_t first, std::size_t count,
                  std::ptrdiff_t* offsets) {
  const std::size_t inner = bundle.empty() ? 1 : bundle.back().size;
  const std::ptrdiff_t step = bundle.empty() ? 0 : bundle.back().*stride;
  for (std::size_t filled = 0; filled < count;) {
    const std::size_t index = first + filled, run = std::min(count - filled, inner - index % inner);
    std::ptrdiff_t at = 0;
    std::size_t rest = index;
    for (auto loop = bundle.rbegin(); loop != bundle.rend(); ++loop) {
      at += static_cast<std::ptrdiff_t>(rest % loop->size) * ((*loop).*stride);
      rest /= loop->size;
    }
    for (std::size_t i = 0; i < run; ++i) offsets[filled + i] = at + static_cast<std::ptrdiff_t>(i) * step;
    filled += run;
  }
}

}  // namespace tensim
