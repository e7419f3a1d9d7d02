// The kernel that takes K of the pair kernel to the outputs. See gemm/kernels.h for what it computes.
#pragma once

#include "vector.h"

namespace tensim {
namespace {

// Up to MR outputs by NV registers of columns: the shape of FormKernel, for many outputs by few columns suit a panel of
// columns by itself.
template <class V, int MR, int NV>
struct WeighKernel {
  using T = typename V::T;
  using Vector = typename V::Vector;
  using W = typename WideOf<V>::type;  // double vectors
  using WideVector = typename W::Vector;

  static constexpr int kWidth = V::kWidth;
  static constexpr int kColumns = NV * kWidth;
  static constexpr int kLanes = W::kWidth;
  static constexpr int kParts = kWidth / kLanes;  // double vectors per vector of T: 1 or 2

  template <int R>
  static void outputs(const WeighedUnits<T>& of) {
    const T *row = of.rows.data, *values = of.values;
    Vector products[R][NV];
    unroll<R>([&](auto c) TENSIM_LAMBDA { unroll<NV>([&](auto j) TENSIM_LAMBDA { products[c][j] = V::zero(); }); });
    for (std::size_t i = 0; i < of.units; ++i) {
      Vector value[NV];
      unroll<NV>([&](auto j) TENSIM_LAMBDA { value[j] = V::load(values + j * kWidth); });
      unroll<R>([&](auto c) TENSIM_LAMBDA {
        const Vector weight = V::splat(row[c]);
        unroll<NV>([&](auto j) TENSIM_LAMBDA { products[c][j] = V::fma(weight, value[j], products[c][j]); });
      });
      row += of.rows.step;
      values += kColumns;
    }
    unroll<R>([&](auto c) TENSIM_LAMBDA {
      double* const at = of.sums + c * kLanes;
      WideVector sum = W::load(at);
      unroll<NV>([&](auto j) TENSIM_LAMBDA {
        const Vector column = V::load(of.columns + c * kColumns + j * kWidth);
        unroll<kParts>([&](auto p) TENSIM_LAMBDA {
          if constexpr (kParts == 1) {
            sum = W::fma(products[c][j], column, sum);
          } else {
            constexpr int part = decltype(p)::value;
            sum = W::fma(V::template widen<part>(products[c][j]), V::template widen<part>(column), sum);
          }
        });
      });
      W::store(at, sum);
    });
  }

  template <int R = MR>
  static void run_at_most(const WeighedUnits<T>& of) {
    if constexpr (R > 0) {
      if (of.outputs == R) return outputs<R>(of);
      run_at_most<R - 1>(of);
    }
  }

  static void run(const WeighedUnits<T>& of) {
    TENSIM_ASSERT(of.outputs >= 1 && of.outputs <= MR && on_vector<W>(of.sums));
    TENSIM_ASSERT(on_vector<V>(of.values) && on_vector<V>(of.columns));
    run_at_most(of);
  }
};

}  // namespace
}  // namespace tensim
