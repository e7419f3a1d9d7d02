#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "../core/assert.h"
#include "kernels.h"

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

// How many of the offsets from the first on are contiguous.
inline std::size_t contiguous_run(const std::ptrdiff_t* offsets, std::size_t count) {
  std::size_t run = 1;
  while (run < count && offsets[run] == offsets[run - 1] + 1) ++run;
  return run;
}

// Calls f(first, length) for every stretch of contiguous offsets.
template <class F>
void for_runs(const std::ptrdiff_t* offsets, std::size_t count, const F& f) {
  for (std::size_t first = 0; first < count;) {
    const std::size_t length = contiguous_run(offsets + first, count - first);
    f(first, length);
    first += length;
  }
}

// Packing lays part of a tensor out as a panel that the micro-kernels read (gemm/kernels.h), whatever its strides,
// converting the element type, scaling, and filling up with zeros on the way:
//
//   panel[k·width + lane] = factor · source[lane_offsets[lane] + depth_offsets[k]]      for lane < lanes, else 0
//
// Reads run along whichever of the two directions has the longer contiguous stretches; writes stay within `width` lanes
// of a few steps.
template <class T, class S>
void pack_panel(const S* source, const std::ptrdiff_t* lane_offsets, std::size_t lanes,
                const std::ptrdiff_t* depth_offsets, std::size_t depth, std::size_t width, T factor, T* panel) {
  TENSIM_ASSERT(lanes <= width && (depth == 0 || panel != nullptr) && (lanes * depth == 0 || source != nullptr));
  if (lanes < width) {
    for (std::size_t k = 0; k < depth; ++k) {
      for (std::size_t lane = lanes; lane < width; ++lane) panel[k * width + lane] = T(0);
    }
  }
  if (lanes == 0) return;
  constexpr std::size_t kLongEnough = 4;  // for a stretch to be worth its own loop
  std::size_t runs = 0;
  for_runs(lane_offsets, lanes, [&](std::size_t, std::size_t) { ++runs; });
  if (lanes >= kLongEnough * runs) {
    for_runs(lane_offsets, lanes, [&](std::size_t first, std::size_t length) {
      for (std::size_t k = 0; k < depth; ++k) {
        const S* from = source + lane_offsets[first] + depth_offsets[k];
        T* to = panel + k * width + first;
        for (std::size_t lane = 0; lane < length; ++lane) to[lane] = factor * static_cast<T>(from[lane]);
      }
    });
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

// Elements [0, length) of N arrays side by side: panel[k·pitch + i] = arrays[i][k].
template <std::size_t N, class T, class S>
void interleave_some(const S* const* arrays, std::size_t length, std::size_t pitch, T* panel) {
  const S* from[N];
  std::copy(arrays, arrays + N, from);
  for (std::size_t k = 0; k < length; ++k) {
    for (std::size_t i = 0; i < N; ++i) panel[k * pitch + i] = static_cast<T>(from[i][k]);
  }
}

// The same for `count` arrays, by the kernel where they are of its type and fill half a vector; others a cache line of
// them at a time, so that each is read along its length and the panel is written line by line.
template <class T, class S>
void interleave(const MicroKernels<T>& kernels, const S* const* arrays, std::size_t count, std::size_t length,
                std::size_t pitch, T* panel) {
  TENSIM_ASSERT(count <= pitch);
  if constexpr (std::is_same_v<T, S>) {
    const auto width = static_cast<std::size_t>(kernels.width);
    while (count > 1 && 2 * count >= width) {
      const std::size_t some = std::min(count, width);
      kernels.interleave(arrays, static_cast<int>(some), length, pitch, panel);
      count -= some;
      arrays += some;
      panel += some;
    }
  }
  constexpr std::size_t kLine = 64 / sizeof(T);
  for (; count >= kLine; count -= kLine, arrays += kLine, panel += kLine) {
    interleave_some<kLine>(arrays, length, pitch, panel);
  }
  for (; count >= 4; count -= 4, arrays += 4, panel += 4) interleave_some<4>(arrays, length, pitch, panel);
  for (; count >= 2; count -= 2, arrays += 2, panel += 2) interleave_some<2>(arrays, length, pitch, panel);
  if (count == 1) interleave_some<1>(arrays, length, pitch, panel);
}

}  // namespace tensim
