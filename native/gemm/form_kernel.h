// The kernel that expands a bilinear block to its symmetric forms. See gemm/kernels.h for what it computes.
#pragma once

#include "vector.h"

namespace tensim {
namespace {

// Up to MR outputs by NV registers of columns.
template <class V, int MR, int NV>
struct FormKernel {
  using T = typename V::T;
  using Vector = typename V::Vector;

  static constexpr int kWidth = V::kWidth;
  static constexpr int kColumns = NV * kWidth;

  // Per unit 2·NV loads and multiplications make a stretch of its form in registers, which R·NV multiply-adds share out to the outputs: the
  // forms of single units are never stored. Many outputs by few columns, rather than a micro-tile of another shape, for then the stretch is
  // made for fewer groups of outputs.
  template <int R>
  static void outputs(std::size_t units, const T* l, const T* r, std::ptrdiff_t step, const T* left, const T* right,
                      const T* d, std::ptrdiff_t d_step, T* out, std::ptrdiff_t out_row, int columns) {
    Vector sums[R][NV];
    unroll<R>([&](auto i) TENSIM_LAMBDA { unroll<NV>([&](auto j) TENSIM_LAMBDA { sums[i][j] = V::zero(); }); });
    for (std::size_t h = 0; h < units; ++h) {
      const Vector x = V::splat(*l), y = V::splat(*r);
      Vector form[NV];
      unroll<NV>([&](auto j) TENSIM_LAMBDA {
        form[j] = V::fma(x, V::load(right + j * kWidth), V::mul(y, V::load(left + j * kWidth)));
      });
      unroll<R>([&](auto i) TENSIM_LAMBDA {
        const Vector weight = V::splat(d[i]);
        unroll<NV>([&](auto j) TENSIM_LAMBDA { sums[i][j] = V::fma(weight, form[j], sums[i][j]); });
      });
      l += step;
      r += step;
      left += kColumns;
      right += kColumns;
      d += d_step;
    }
    unroll<R>([&](auto i) TENSIM_LAMBDA {
      unroll<NV>([&](auto j) TENSIM_LAMBDA {
        T* at = out + i * out_row + j * kWidth;
        const int present = columns - j * kWidth;
        if (present >= kWidth) {
          V::store_any(at, sums[i][j]);
        } else if (present > 0) {
          V::store_part(at, sums[i][j], static_cast<std::size_t>(present));
        }
      });
    });
  }

  template <int R = MR>
  static void run_at_most(std::size_t units, const T* l, const T* r, std::ptrdiff_t step, const T* left, const T* right,
                          const T* d, std::ptrdiff_t d_step, T* out, std::ptrdiff_t out_row, int count, int columns) {
    if constexpr (R > 0) {
      if (count == R) return outputs<R>(units, l, r, step, left, right, d, d_step, out, out_row, columns);
      run_at_most<R - 1>(units, l, r, step, left, right, d, d_step, out, out_row, count, columns);
    }
  }

  static void run(std::size_t units, const T* l, const T* r, std::ptrdiff_t step, const T* left, const T* right,
                  const T* d, std::ptrdiff_t d_step, T* out, std::ptrdiff_t out_row, int outputs, int columns) {
    run_at_most(units, l, r, step, left, right, d, d_step, out, out_row, outputs, columns);
  }
};

}  // namespace
}  // namespace tensim
