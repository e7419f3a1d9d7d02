#pragma once

#include <algorithm>
#include <cstddef>

#include "../core/matrix_view.h"

namespace tensim {

// Packing lays parts of strided matrices out as the panels that the micro-kernels read (gemm/kernels.h), converting the
// element type and filling up with zeros on the way.

// Writes `width` lanes of `depth` steps: panel[k·width + lane] = source[lane·lane_stride + k·depth_stride] for lane <
// lanes, else 0.
template <class T, class S>
void pack_panel(const S* source, std::ptrdiff_t lane_stride, std::ptrdiff_t depth_stride, std::size_t lanes,
                std::size_t depth, std::size_t width, T* panel) {
  // Steps are taken in strips that stay in the first cache, so that neither the strided reads nor the strided writes
  // thrash.
  constexpr std::size_t kStrip = 16;
  for (std::size_t k0 = 0; k0 < depth; k0 += kStrip) {
    const std::size_t k1 = std::min(depth, k0 + kStrip);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const S* from = source + static_cast<std::ptrdiff_t>(lane) * lane_stride;
      for (std::size_t k = k0; k < k1; ++k) {
        panel[k * width + lane] = static_cast<T>(from[static_cast<std::ptrdiff_t>(k) * depth_stride]);
      }
    }
    for (std::size_t lane = lanes; lane < width; ++lane) {
      for (std::size_t k = k0; k < k1; ++k) panel[k * width + lane] = T(0);
    }
  }
}

// Panel `index` of the rows of `a`, steps [k0, k0 + depth).
template <class T>
void pack_rows(const MatrixView& a, std::size_t index, std::size_t width, std::size_t k0, std::size_t depth, T* panel) {
  const std::size_t first = index * width;
  const std::size_t lanes = std::min(width, a.rows - first);
  visit(a, [&](const auto* data) {
    const auto* source =
        data + static_cast<std::ptrdiff_t>(first) * a.row_stride + static_cast<std::ptrdiff_t>(k0) * a.column_stride;
    pack_panel(source, a.row_stride, a.column_stride, lanes, depth, width, panel);
  });
}

}  // namespace tensim
