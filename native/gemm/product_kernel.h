// The kernel for products of many long vectors. See gemm/kernels.h for what it computes.
#pragma once

#include "vector.h"

namespace tensim {
namespace {

// MR vectors by NV registers of others.
template <class V, int MR, int NV>
struct ProductKernel {
  using T = typename V::T;
  using Vector = typename V::Vector;
  using W = typename WideOf<V>::type;  // double vectors

  static constexpr int kWidth = V::kWidth;
  static constexpr int kLanes = W::kWidth;
  static constexpr int kParts = kWidth / kLanes;  // double vectors per vector of T: 1 or 2

  // The loop of the micro-tiles, but for the rows, which are read where they lie: a broadcast costs the same from MR
  // places as from one. So only one side has to be packed.
  template <int N>
  static void registers(std::size_t length, const T* const* rows, const T* panel, std::size_t pitch, double* sums,
                        bool overwrite) {
    Vector tile[MR][N];
    unroll<MR>([&](auto i) TENSIM_LAMBDA { unroll<N>([&](auto j) TENSIM_LAMBDA { tile[i][j] = V::zero(); }); });
    const T* row[MR];
    unroll<MR>([&](auto i) TENSIM_LAMBDA { row[i] = rows[i]; });
    TENSIM_UNROLL(4)
    for (std::size_t k = 0; k < length; ++k) {
      Vector column[N];
      unroll<N>([&](auto j) TENSIM_LAMBDA { column[j] = V::load(panel + j * kWidth); });
      unroll<MR>([&](auto i) TENSIM_LAMBDA {
        const Vector x = V::splat(row[i][k]);
        unroll<N>([&](auto j) TENSIM_LAMBDA { tile[i][j] = V::fma(x, column[j], tile[i][j]); });
      });
      panel += pitch;
    }
    unroll<MR>([&](auto i) TENSIM_LAMBDA {
      unroll<N>([&](auto j) TENSIM_LAMBDA {
        unroll<kParts>([&](auto p) TENSIM_LAMBDA {
          double* at = sums + (i * NV + j) * kWidth + p * kLanes;
          typename W::Vector value;
          if constexpr (kParts == 1) {
            value = tile[i][j];
          } else {
            value = V::template widen<decltype(p)::value>(tile[i][j]);
          }
          W::store(at, overwrite ? value : W::add(W::load(at), value));
        });
      });
    });
  }

  template <int N = NV>
  static void run_at_most(std::size_t length, const T* const* rows, const T* panel, std::size_t pitch, int count,
                          double* sums, bool overwrite) {
    if constexpr (N > 0) {
      if (count == N) return registers<N>(length, rows, panel, pitch, sums, overwrite);
      run_at_most<N - 1>(length, rows, panel, pitch, count, sums, overwrite);
    }
  }

  static void run(std::size_t length, const T* const* rows, const T* panel, std::size_t pitch, int count, double* sums,
                  bool overwrite) {
    TENSIM_ASSERT(count >= 1 && count <= NV && (length == 0 || (rows != nullptr && panel != nullptr)));
    TENSIM_ASSERT(on_vector<V>(panel) && pitch % kWidth == 0 && on_vector<W>(sums));
    run_at_most(length, rows, panel, pitch, count, sums, overwrite);
  }
};

}  // namespace
}  // namespace tensim
