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

  // Per unit 2·NV loads and multiplications make a stretch of its form in registers, which R·NV multiply-adds share out
  // to the outputs: the forms of single units are never stored. Many outputs by few columns, rather than a micro-tile
  // of another shape, for then the stretch is made for fewer groups of outputs.
  template <int R, int N>
  static void outputs(const FormStretch<T>& stretch) {
    const T *l = stretch.own.l, *r = stretch.own.r, *d = stretch.down.data;
    const T *left = stretch.panels.left, *right = stretch.panels.right;
    const std::ptrdiff_t step = stretch.own.step, d_step = stretch.down.step;
    Vector sums[R][N];
    unroll<R>([&](auto i) TENSIM_LAMBDA { unroll<N>([&](auto j) TENSIM_LAMBDA { sums[i][j] = V::zero(); }); });
    // Where nothing is wanted, what is there anyway is fetched.
    const T* ahead = stretch.ahead == nullptr ? d : stretch.ahead;
    const std::size_t line = stretch.ahead == nullptr ? 0 : 64 / sizeof(T);
    // A unit ahead: what makes a stretch is two operations one after the other, which the sums would wait for.
    Vector form[N];
    const auto make = [&]() TENSIM_LAMBDA {
      const Vector x = V::splat(*l), y = V::splat(*r);
      unroll<N>([&](auto j) TENSIM_LAMBDA {
        form[j] = V::fma(x, V::load(right + j * kWidth), V::mul(y, V::load(left + j * kWidth)));
      });
      l += step;
      r += step;
      left += kColumns;
      right += kColumns;
    };
    const auto share = [&](const Vector(&of)[N]) TENSIM_LAMBDA {
      unroll<R>([&](auto i) TENSIM_LAMBDA {
        const Vector weight = V::splat(d[i]);
        unroll<N>([&](auto j) TENSIM_LAMBDA { sums[i][j] = V::fma(weight, of[j], sums[i][j]); });
      });
      d += d_step;
    };
    if (stretch.units > 0) {
      make();
      for (std::size_t h = 1; h < stretch.units; ++h) {
        TENSIM_FETCH(ahead);
        ahead += line;
        Vector ready[N];
        unroll<N>([&](auto j) TENSIM_LAMBDA { ready[j] = form[j]; });
        make();
        share(ready);
      }
      share(form);
    }
    unroll<R>([&](auto i) TENSIM_LAMBDA {
      unroll<N>([&](auto j) TENSIM_LAMBDA {
        T* at = stretch.out.data + i * stretch.out.row + j * kWidth;
        const int present = stretch.columns - j * kWidth;
        if (present >= kWidth) {
          V::store_any(at, sums[i][j]);
        } else if (present > 0) {
          V::store_part(at, sums[i][j], static_cast<std::size_t>(present));
        }
      });
    });
  }

  template <int R = MR>
  static void run_at_most(const FormStretch<T>& stretch) {
    if constexpr (R > 0) {
      if (stretch.outputs == R) {
        // Half of the stretches at the diagonal, and the last ones of rows.
        if (stretch.columns <= kColumns / 2) return outputs<R, (NV + 1) / 2>(stretch);
        return outputs<R, NV>(stretch);
      }
      run_at_most<R - 1>(stretch);
    }
  }

  static void run(const FormStretch<T>& stretch) {
    TENSIM_ASSERT(stretch.outputs >= 1 && stretch.outputs <= MR && stretch.columns >= 1 && stretch.columns <= kColumns);
    TENSIM_ASSERT(on_vector<V>(stretch.panels.left) && on_vector<V>(stretch.panels.right));
    run_at_most(stretch);
  }
};

}  // namespace
}  // namespace tensim
