// The micro-kernels on packed panels, written once over a small vector type (gemm/vector.h) and compiled once per
// instruction set by the kernels_*.cc files.
#pragma once

#include "form_kernel.h"
#include "hermite_kernel.h"
#include "interleave_kernel.h"
#include "normals_kernel.h"
#include "product_kernel.h"
#include "series_kernel.h"
#include "vector_kernel.h"
#include "weigh_kernel.h"

namespace tensim {
namespace {

// MR rows by NV vectors of columns.
template <class V, int MR, int NV>
struct MicroKernel {
  using T = typename V::T;
  using Vector = typename V::Vector;
  using W = typename WideOf<V>::type;  // double vectors
  using WideVector = typename W::Vector;

  static constexpr int kWidth = V::kWidth;
  static constexpr int kColumns = NV * kWidth;
  static constexpr int kLanes = W::kWidth;
  static constexpr int kParts = kWidth / kLanes;  // double vectors per vector of T: 1 or 2
  static_assert(MR % 2 == 0 && NV % 2 == 0, "a pair of units takes two rows and two columns");

  struct Tile {
    Vector at[MR][NV];
  };

  // NV loads, MR broadcasts and MR·NV multiply-adds.
  static TENSIM_INLINE void step(const T* a, const T* b, Tile& tile) {
    Vector column[NV];
    unroll<NV>([&](auto j) TENSIM_LAMBDA { column[j] = V::load(b + j * kWidth); });
    unroll<MR>([&](auto i) TENSIM_LAMBDA {
      const Vector row = V::splat(a[i]);
      unroll<NV>([&](auto j) TENSIM_LAMBDA { tile.at[i][j] = V::fma(row, column[j], tile.at[i][j]); });
    });
  }

  // The loop that everything is about.
  static TENSIM_INLINE void multiply(std::size_t depth, const T* a, const T* b, Tile& tile) {
    TENSIM_ASSERT(depth == 0 || (a != nullptr && b != nullptr));
    TENSIM_ASSERT(on_vector<V>(b));
    unroll<MR>([&](auto i) TENSIM_LAMBDA { unroll<NV>([&](auto j) TENSIM_LAMBDA { tile.at[i][j] = V::zero(); }); });
    TENSIM_UNROLL(4)
    for (std::size_t k = 0; k < depth; ++k) {
      step(a, b, tile);
      a += MR;
      b += kColumns;
    }
  }

  // The same, while cache lines from `ahead` on are fetched, one every kFetchSteps.
  static constexpr std::size_t kLine = 64 / sizeof(T);
  template <std::size_t kFetchSteps>
  static TENSIM_INLINE void multiply(std::size_t depth, const T* a, const T* b, Tile& tile, const T* ahead) {
    if (ahead == nullptr) return multiply(depth, a, b, tile);
    TENSIM_ASSERT(on_vector<V>(b));
    unroll<MR>([&](auto i) TENSIM_LAMBDA { unroll<NV>([&](auto j) TENSIM_LAMBDA { tile.at[i][j] = V::zero(); }); });
    std::size_t k = 0;
    for (; k + kFetchSteps <= depth; k += kFetchSteps) {
      TENSIM_FETCH(ahead);
      ahead += kLine;
      unroll<kFetchSteps>([&](auto s) TENSIM_LAMBDA { step(a + (k + s) * MR, b + (k + s) * kColumns, tile); });
    }
    for (; k < depth; ++k) step(a + k * MR, b + k * kColumns, tile);
  }

  static void gemm(std::size_t depth, const T* a, const T* b, const TileTarget<T>& c) {
    TENSIM_ASSERT(c.data != nullptr && c.rows >= 1 && c.rows <= MR && c.columns >= 1 && c.columns <= kColumns);
    const bool overwrite = c.overwrite;
    Tile tile;
    multiply(depth, a, b, tile);
    if (c.rows == MR && c.columns == kColumns && c.column_stride == 1) {
      unroll<MR>([&](auto i) TENSIM_LAMBDA {
        T* row = c.data + i * c.row_stride;
        unroll<NV>([&](auto j) TENSIM_LAMBDA {
          T* at = row + j * kWidth;
          V::store_any(at, overwrite ? tile.at[i][j] : V::add(V::load_any(at), tile.at[i][j]));
        });
      });
      return;
    }
    // The edges of a matrix, and outputs with gaps: by way of a small buffer.
    alignas(64) T buffer[MR * kColumns];
    unroll<MR>([&](auto i) TENSIM_LAMBDA {
      unroll<NV>([&](auto j) TENSIM_LAMBDA { V::store(buffer + i * kColumns + j * kWidth, tile.at[i][j]); });
    });
    for (int i = 0; i < c.rows; ++i) {
      for (int j = 0; j < c.columns; ++j) {
        T& at = c.data[i * c.row_stride + j * c.column_stride];
        at = overwrite ? buffer[i * kColumns + j] : at + buffer[i * kColumns + j];
      }
    }
  }

  static void tile(std::size_t depth, const T* a, const T* b, T* c, bool overwrite, const T* ahead) {
    TENSIM_ASSERT(on_vector<V>(c));
    Tile tile;
    multiply<4>(depth, a, b, tile, ahead);
    unroll<MR>([&](auto i) TENSIM_LAMBDA {
      unroll<NV>([&](auto j) TENSIM_LAMBDA {
        T* at = c + i * kColumns + j * kWidth;
        V::store(at, overwrite ? tile.at[i][j] : V::add(V::load(at), tile.at[i][j]));
      });
    });
  }

  static void weigh(std::size_t units, const T* da, const T* values, const T* db, std::size_t outputs, double* sums,
                    const T* ahead) {
    TENSIM_ASSERT(outputs >= 1 && outputs <= MR && on_vector<V>(db) && on_vector<W>(sums));
    Tile tile;
    multiply<2>(units, da, values, tile, ahead);
    unroll<MR>([&](auto c) TENSIM_LAMBDA {
      if (static_cast<std::size_t>(c) >= outputs) return;
      WideVector sum = W::load(sums + c * kLanes);
      unroll<NV * kParts>([&](auto p) TENSIM_LAMBDA {
        constexpr int part = decltype(p)::value;
        sum = W::fma(wide<decltype(c)::value, part>(tile), wide<part>(db + c * kColumns), sum);
      });
      W::store(sums + c * kLanes, sum);
    });
  }

  // The p-th double vector of row i of a tile: columns p·kLanes … of the panel.
  template <int I, int P>
  static TENSIM_INLINE WideVector wide(const Tile& tile) {
    if constexpr (kParts == 1) {
      return tile.at[I][P];
    } else {
      return V::template widen<P % kParts>(tile.at[I][P / kParts]);
    }
  }

  // The same of a row in memory.
  template <int P>
  static TENSIM_INLINE WideVector wide(const T* row) {
    if constexpr (kParts == 1) {
      return V::load(row + P * kWidth);
    } else {
      return V::template widen<P % kParts>(V::load(row + P / kParts * kWidth));
    }
  }

  static void pair_partial(std::size_t depth, const T* a, const T* b, double* partial, bool overwrite, const T* ahead) {
    TENSIM_ASSERT(depth >= 1 && partial != nullptr && on_vector<W>(partial));
    Tile tile;
    multiply<2>(depth, a, b, tile, ahead);
    unroll<MR>([&](auto i) TENSIM_LAMBDA {
      unroll<NV * kParts>([&](auto p) TENSIM_LAMBDA {
        double* at = partial + i * kColumns + p * kLanes;
        const WideVector value = wide<decltype(i)::value, decltype(p)::value>(tile);
        W::store(at, overwrite ? value : W::add(W::load(at), value));
      });
    });
  }

  // Adds what earlier steps have left in double.
  static TENSIM_INLINE void add_partial(const double* partial, Tile& tile) {
    unroll<MR>([&](auto i) TENSIM_LAMBDA {
      unroll<NV>([&](auto j) TENSIM_LAMBDA {
        constexpr int row = decltype(i)::value, part = kParts * decltype(j)::value;
        const double* at = partial + row * kColumns + part * kLanes;
        if constexpr (kParts == 1) {
          tile.at[i][j] = static_cast<Vector>(W::add(wide<row, part>(tile), W::load(at)));
        } else {
          tile.at[i][j] = V::narrow(W::add(wide<row, part>(tile), W::load(at)),
                                    W::add(wide<row, part + 1>(tile), W::load(at + kLanes)));
        }
      });
    });
  }

  static void pair_values(std::size_t depth, const T* a, const T* b, const double* partial, T* values, const T* ahead) {
    TENSIM_ASSERT(on_vector<W>(partial) && values != nullptr && on_vector<V>(values));
    Tile tile;
    multiply<2>(depth, a, b, tile, ahead);
    if (partial != nullptr) add_partial(partial, tile);
    // R' follows L' in the panel at a distance of half its vectors.
    constexpr int kHalf = NV / 2;
    unroll<MR / 2>([&](auto i) TENSIM_LAMBDA {
      unroll<kHalf>([&](auto j) TENSIM_LAMBDA {
        const auto &left = tile.at[2 * i], &right = tile.at[2 * i + 1];
        V::store(values + (i * kHalf + j) * kWidth,
                 V::fma(left[j], right[j + kHalf], V::mul(left[j + kHalf], right[j])));
      });
    });
  }

  static void weigh_products(std::size_t rows, const double* weights, const T* a, const T* b, double* sums) {
    TENSIM_ASSERT(on_vector<V>(a) && on_vector<V>(b) && on_vector<W>(sums));
    unroll<NV * kParts>([&](auto p) TENSIM_LAMBDA {
      constexpr int part = decltype(p)::value;
      WideVector sum = W::load(sums + part * kLanes);
      for (std::size_t i = 0; i < rows; ++i) {
        const WideVector weighted = W::mul(W::splat(weights[i]), wide<part>(a + i * kColumns));
        sum = W::fma(weighted, wide<part>(b + i * kColumns), sum);
      }
      W::store(sums + part * kLanes, sum);
    });
  }

  static double peak(std::size_t steps) {
    // Enough to hide the latency of the multiply-add twice over, few enough for 16 registers.
    constexpr int kChains = 12;
    Vector sums[kChains];
    unroll<kChains>(
        [&](auto i) TENSIM_LAMBDA { sums[i] = V::splat(static_cast<T>(decltype(i)::value) * static_cast<T>(1e-9)); });
    // Values that the compiler cannot know, near a fixed point so that nothing over- or underflows.
    volatile T factor = static_cast<T>(0.999), term = static_cast<T>(0.001);
    const Vector x = V::splat(factor), y = V::splat(term);
    for (std::size_t s = 0; s < steps; ++s) {
      unroll<kChains>([&](auto i) TENSIM_LAMBDA { sums[i] = V::fma(sums[i], x, y); });
    }
    alignas(64) T values[kWidth];
    double result = 0;
    unroll<kChains>([&](auto i) TENSIM_LAMBDA {
      V::store(values, sums[i]);
      for (int lane = 0; lane < kWidth; ++lane) result += static_cast<double>(values[lane]);
    });
    return result;
  }

  using Series = SeriesKernel<V>;

  static constexpr MicroKernels<T> table() {
    using Vectors = VectorKernel<V>;
    return {MR,
            kColumns,
            kWidth,
            kLanes,
            &gemm,
            &tile,
            &pair_partial,
            &pair_values,
            &WeighKernel<V, 2 * MR, NV / 2>::run,
            &weigh_products,
            &ProductKernel<V, MR, NV>::run,
            &FormKernel<V, 2 * MR, NV / 2>::run,
            &InterleaveKernel<V>::run,
            &HermiteKernel<V, MR, NV>::largest,
            &HermiteKernel<V, MR, NV>::hidden,
            &HermiteKernel<V, MR, NV>::gated,
            &weigh,
            &Vectors::small,
            &Vectors::dot,
            &Vectors::sum,
            &Vectors::axpy,
            &Vectors::multiply};
  }
};

template <class F64, class F32>
constexpr KernelSet kernel_set(InstructionSet set) {
  return {set,        F64::table(), F32::table(),           nullptr,
          &F64::peak, &F32::peak,   &F64::Series::products, &NormalsKernel::run};
}

}  // namespace
}  // namespace tensim
