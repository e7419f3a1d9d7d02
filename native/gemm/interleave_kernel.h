// The kernel that lays arrays side by side, as panels have them. See gemm/kernels.h for what it computes.
#pragma once

#include "vector.h"

namespace tensim {
namespace {

template <class V>
struct InterleaveKernel {
  using T = typename V::T;
  using Vector = typename V::Vector;

  static constexpr int kWidth = V::kWidth;

  // Each stage interleaves vector i with vector i + kWidth/2; after log₂ kWidth of them the square is transposed.
  template <int Stage>
  static TENSIM_INLINE void transpose(Vector (&square)[kWidth]) {
    if constexpr (Stage < kWidth) {
      Vector zipped[kWidth];
      unroll<kWidth / 2>([&](auto i) TENSIM_LAMBDA {
        zipped[2 * i] = V::zip_low(square[i], square[i + kWidth / 2]);
        zipped[2 * i + 1] = V::zip_high(square[i], square[i + kWidth / 2]);
      });
      unroll<kWidth>([&](auto i) TENSIM_LAMBDA { square[i] = zipped[i]; });
      transpose<2 * Stage>(square);
    }
  }

  static void run(const T* const* arrays, int count, std::size_t length, std::size_t pitch, T* panel) {
    TENSIM_ASSERT(count >= 1 && count <= kWidth && static_cast<std::size_t>(count) <= pitch);
    const T* from[kWidth];  // one of them stands for those that are not there
    unroll<kWidth>([&](auto i) TENSIM_LAMBDA { from[i] = arrays[i < count ? static_cast<int>(i) : 0]; });
    std::size_t k = 0;
    for (; k + kWidth <= length; k += kWidth) {
      Vector square[kWidth];
      unroll<kWidth>([&](auto i) TENSIM_LAMBDA { square[i] = V::load_any(from[i] + k); });
      transpose<1>(square);
      if (count == kWidth) {
        unroll<kWidth>([&](auto i) TENSIM_LAMBDA { V::store_any(panel + (k + i) * pitch, square[i]); });
      } else {
        unroll<kWidth>([&](auto i) TENSIM_LAMBDA {
          V::store_part(panel + (k + i) * pitch, square[i], static_cast<std::size_t>(count));
        });
      }
    }
    for (; k < length; ++k) {
      for (int i = 0; i < count; ++i) panel[k * pitch + i] = from[i][k];
    }
  }
};

}  // namespace
}  // namespace tensim
