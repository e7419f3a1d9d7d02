#include "product.h"

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

}  // namespace tensim
