// The kernel for products of long vectors that lie as they are. See gemm/kernels.h for what it computes.
#pragma once

#include "vector.h"

namespace tensim {
namespace {

// MR vectors by NV others, as many as the micro-tiles of matrices have rows and vectors of columns.
template <class V, int MR, int NV>
struct ProductKernel {
  using T = typename V::T;
  using Vector = typename V::Vector;

  static constexpr std::size_t kWidth = V::kWidth;

  // Both sides are read along their length, MR + NV loads for MR·NV multiply-adds, so that nothing has to be packed; the price is a sum per
  // lane.
  static void run(std::size_t length, const T* const* a, const T* const* b, T* sums) {
    Vector tile[MR][NV];
    unroll<MR>([&](auto i) TENSIM_LAMBDA {
      unroll<NV>([&](auto j) TENSIM_LAMBDA { tile[i][j] = V::load(sums + (i * NV + j) * V::kWidth); });
    });
    const T *rows[MR], *columns[NV];
    unroll<MR>([&](auto i) TENSIM_LAMBDA { rows[i] = a[i]; });
    unroll<NV>([&](auto j) TENSIM_LAMBDA { columns[j] = b[j]; });
    std::size_t k = 0;
    for (; k + kWidth <= length; k += kWidth) {
      Vector column[NV];
      unroll<NV>([&](auto j) TENSIM_LAMBDA { column[j] = V::load_any(columns[j] + k); });
      unroll<MR>([&](auto i) TENSIM_LAMBDA {
        const Vector row = V::load_any(rows[i] + k);
        unroll<NV>([&](auto j) TENSIM_LAMBDA { tile[i][j] = V::fma(row, column[j], tile[i][j]); });
      });
    }
    if (k < length) {
      unroll<MR>([&](auto i) TENSIM_LAMBDA {
        const Vector row = V::load_part(rows[i] + k, length - k);
        unroll<NV>([&](auto j) TENSIM_LAMBDA {
          tile[i][j] = V::fma(row, V::load_part(columns[j] + k, length - k), tile[i][j]);
        });
      });
    }
    unroll<MR>([&](auto i) TENSIM_LAMBDA {
      unroll<NV>([&](auto j) TENSIM_LAMBDA { V::store(sums + (i * NV + j) * V::kWidth, tile[i][j]); });
    });
  }
};

}  // namespace
}  // namespace tensim
