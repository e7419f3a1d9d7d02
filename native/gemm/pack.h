#pragma once

#include <algorithm>
#include <cstddef>

namespace tensim {

// The step between consecutive offsets if it is the same all along, as it mostly is within a panel; else kIrregular.
constexpr std::ptrdiff_t kIrregular = PTRDIFF_MIN;

inline std::ptrdiff_t common_stride(const std::ptrdiff_t* offsets, std::size_t count) {
  if (count < 2) return 1;
  const std::ptrdiff_t stride = offsets[1] - offsets[0];
  for (std::size_t i = 2; i < count; ++i) {
    if (offsets[i] - offsets[i - 1] != stride) return kIrregular;
  }
  return stride;
}

// Packing lays part of a tensor out as a panel that the micro-kernels read (gemm/kernels.h), whatever its strides,
// converting the element type, scaling, and filling up with zeros on the way:
//
//   panel[k·width + lane] = factor · source[lane_offsets[lane] + depth_offsets[k]]      for lane < lanes, else 0
//
// Reads run along whichever of the two directions is contiguous; writes stay within `width` lanes of a few steps.
template <class T, class S>
void pack_panel(const S* source, const std::ptrdiff_t* lane_offsets, std::size_t lanes,
                const std::ptrdiff_t* depth_offsets, std::size_t depth, std::size_t width, T factor, T* panel) {
  if (lanes < width) {
    for (std::size_t k = 0; k < depth; ++k) {
      for (std::size_t lane = lanes; lane < width; ++lane) panel[k * width + lane] = T(0);
    }
  }
  if (lanes == 0) return;
  if (common_stride(lane_offsets, lanes) == 1) {
    for (std::size_t k = 0; k < depth; ++k) {
      const S* from = source + lane_offsets[0] + depth_offsets[k];
      T* to = panel + k * width;
      for (std::size_t lane = 0; lane < lanes; ++lane) to[lane] = factor * static_cast<T>(from[lane]);
    }
    return;
  }
  // Steps are taken in strips that stay in the first cache while every lane passes over them.
  constexpr std::size_t kStrip = 32;
  for (std::size_t k0 = 0; k0 < depth; k0 += kStrip) {
    const std::size_t count = std::min(kStrip, depth - k0);
    const std::ptrdiff_t stride = common_stride(depth_offsets + k0, count);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const S* from = source + lane_offsets[lane];
      T* to = panel + k0 * width + lane;
      if (stride == 1) {
        from += depth_offsets[k0];
        for (std::size_t k = 0; k < count; ++k) to[k * width] = factor * static_cast<T>(from[k]);
      } else {
        for (std::size_t k = 0; k < count; ++k) to[k * width] = factor * static_cast<T>(from[depth_offsets[k0 + k]]);
      }
    }
  }
}

}  // namespace tensim
