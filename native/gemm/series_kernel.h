// Products of truncated power series, eight independent ones side by side. See gemm/kernels.h.
#pragma once

#include "vector.h"

namespace tensim {
namespace {

template <class V>
struct SeriesKernel {
  using Vector = typename V::Vector;

  static constexpr std::size_t kWidth = V::kWidth;
  static constexpr std::size_t kLanes = kSeriesLanes;
  // Coefficients summed at a time: independent sums hide the latency of the multiply-add, and share the loads of a.
  static constexpr int kBlock = 4;

  // sums[i] += Σ_j a_j b_(n+i−j), j = 0 … n + i, for N coefficients from n on.
  template <int N>
  static TENSIM_INLINE void add_products(std::size_t n, const double* a, const double* b, Vector (&sums)[N]) {
    for (std::size_t j = 0; j <= n; ++j) {
      const Vector factor = V::load(a + j * kLanes);
      const double* from = b + (n - j) * kLanes;
      unroll<N>([&](auto i) TENSIM_LAMBDA { sums[i] = V::fma(factor, V::load(from + i * kLanes), sums[i]); });
    }
    unroll<N - 1>([&](auto step) TENSIM_LAMBDA {
      constexpr int extra = decltype(step)::value + 1;
      const Vector factor = V::load(a + (n + extra) * kLanes);
      unroll<N - extra>(
          [&](auto i) TENSIM_LAMBDA { sums[i + extra] = V::fma(factor, V::load(b + i * kLanes), sums[i + extra]); });
    });
  }

  template <int N>
  static TENSIM_INLINE void block(std::size_t n, const double* a0, const double* b0, const double* a1, const double* b1,
                                  double* out) {
    Vector sums[N];
    unroll<N>([&](auto i) TENSIM_LAMBDA { sums[i] = V::zero(); });
    add_products<N>(n, a0, b0, sums);
    if (a1 != nullptr) add_products<N>(n, a1, b1, sums);
    unroll<N>([&](auto i) TENSIM_LAMBDA { V::store(out + (n + i) * kLanes, sums[i]); });
  }

  static void products(std::size_t length, const double* a0, const double* b0, const double* a1, const double* b1,
                       double* out) {
    TENSIM_ASSERT(on_vector<V>(a0) && on_vector<V>(b0) && on_vector<V>(a1) && on_vector<V>(b1) && on_vector<V>(out));
    TENSIM_ASSERT(out != a0 && out != b0 && out != a1 && out != b1);
    for (std::size_t lane = 0; lane < kLanes; lane += kWidth) {
      std::size_t n = 0;
      for (; n + kBlock <= length; n += kBlock) block<kBlock>(n, a0, b0, a1, b1, out);
      for (; n < length; ++n) block<1>(n, a0, b0, a1, b1, out);
      a0 += kWidth;
      b0 += kWidth;
      if (a1 != nullptr) {
        a1 += kWidth;
        b1 += kWidth;
      }
      out += kWidth;
    }
  }
};

}  // namespace
}  // namespace tensim
