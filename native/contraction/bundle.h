#pragma once

#include <cstddef>
#include <vector>

#include "plan.h"

namespace tensim {

// The product of the sizes; 1 for no loops.
std::size_t extent(const Bundle& bundle);

// The offset of every combination of the bundle's loops, the last fastest, by one of the strides.
std::vector<std::ptrdiff_t> offsets_of(const Bundle& bundle, std::ptrdiff_t Loop::*stride);

// The same for the flat indices first … first + count − 1 only.
void fill_offsets(const Bundle& bundle, std::ptrdiff_t Loop::*stride, std::size_t first, std::size_t count,
                  std::ptrdiff_t* offsets);

// The offsets of one combination of loops, by its flat index, the last loop fastest.
struct Place {
  std::ptrdiff_t a = 0, b = 0, out = 0;
};
inline Place place_of(const Bundle& loops, std::size_t index) {
  Place place;
  for (auto loop = loops.rbegin(); loop != loops.rend(); ++loop) {
    const auto i = static_cast<std::ptrdiff_t>(index % loop->size);
    index /= loop->size;
    place.a += i * loop->a;
    place.b += i * loop->b;
    place.out += i * loop->out;
  }
  return place;
}

}  // namespace tensim
