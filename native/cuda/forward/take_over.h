#pragma once

#include <algorithm>
#include <cstdint>

#include "../device.h"

namespace tensim::cuda {

// The first `width` of every `stride` elements of so many rows on the device, one after the other: a part at
// a time, of a size that the pinned memory for it is kept for the next.
template <class Device, class Element>
void take_over(Device& device, const Element* from, std::uint64_t rows, std::uint64_t width, std::uint64_t stride,
               const typename Device::Moment& after, Element* to) {
  const std::uint64_t bytes = device.limits.workspace_bytes / 4;
  const std::uint64_t most = std::max<std::uint64_t>(1, bytes / (stride * sizeof(Element)));
  for (std::uint64_t first = 0; first < rows; first += most) {
    const std::uint64_t count = std::min(most, rows - first);
    const auto memory = device.download(from + first * stride, count * stride * sizeof(Element), after);
    const auto* const data = static_cast<const Element*>(memory.data());
    if (width == stride) {
      std::copy_n(data, count * width, to + first * width);
      continue;
    }
    for (std::uint64_t row = 0; row < count; ++row) {
      std::copy_n(data + row * stride, width, to + (first + row) * width);
    }
  }
}

}  // namespace tensim::cuda
