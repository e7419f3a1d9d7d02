// The micro-kernels, written once over a small vector type and compiled once per instruction set by the kernels_*.cc
// files.
//
// Everything here has internal linkage on purpose. These files are compiled with different -m flags; were a function
// shared between them (an inline function, a standard-library template), the linker would keep one copy of it, perhaps
// the one with AVX-512 in it, for processors that have none. For the same reason nothing from the standard library is
// called here.
//
// A vector type `V` provides: element type T, WIDTH lanes, zero(), load(p) (aligned), load_any(p), store(p, v)
// (aligned), store_any(p, v), splat(x), fma(a, b, c) = a·b + c, mul, add, sum(v), and for T = float: `Wide` (the double
// vector with WIDTH/2 lanes) and widen(v, half).
#pragma once

#include <cstddef>

#include "kernels.h"

#if defined(_MSC_VER) && !defined(__clang__)
#define TENSIM_INLINE __forceinline
#define TENSIM_LAMBDA
#define TENSIM_UNROLL(n)
#else
#define TENSIM_INLINE inline __attribute__((always_inline))
#define TENSIM_LAMBDA __attribute__((always_inline))
#define TENSIM_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define TENSIM_UNROLL(n) TENSIM_PRAGMA(unroll n)
#else
#define TENSIM_UNROLL(n) TENSIM_PRAGMA(GCC unroll n)
#endif
#endif

namespace tensim {
namespace {

// Calls f with the constants 0 … N−1. A plain loop would leave it to the optimiser whether an array of accumulators
// stays in registers; with constant indices it always does.
template <int I>
struct Constant {
  static constexpr int value = I;
  constexpr operator int() const { return I; }
};
template <int N, int I = 0, class F>
TENSIM_INLINE void unroll(const F& f) {
  if constexpr (I < N) {
    f(Constant<I>{});
    unroll<N, I + 1>(f);
  }
}

// The double vector that sums are kept in.
template <class V, class T = typename V::T>
struct WideOf {
  using type = typename V::Wide;
};
template <class V>
struct WideOf<V, double> {
  using type = V;
};

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
  static constexpr int kRowUnits = MR / 2;
  static constexpr int kColumnUnits = kColumns / 2;
  static constexpr int kUnitVectors = kColumnUnits / kLanes;  // double vectors across the units of a column panel
  static_assert(MR % 2 == 0 && NV % 2 == 0, "a pair of units takes two rows and two columns");

  struct Tile {
    Vector at[MR][NV];
  };

  // The loop that everything is about: per step NV loads, MR broadcasts and MR·NV multiply-adds.
  static TENSIM_INLINE void multiply(std::size_t depth, const T* a, const T* b, Tile& tile) {
    unroll<MR>([&](auto i) TENSIM_LAMBDA { unroll<NV>([&](auto j) TENSIM_LAMBDA { tile.at[i][j] = V::zero(); }); });
    TENSIM_UNROLL(4)
    for (std::size_t k = 0; k < depth; ++k) {
      Vector column[NV];
      unroll<NV>([&](auto j) TENSIM_LAMBDA { column[j] = V::load(b + j * kWidth); });
      unroll<MR>([&](auto i) TENSIM_LAMBDA {
        const Vector row = V::splat(a[i]);
        unroll<NV>([&](auto j) TENSIM_LAMBDA { tile.at[i][j] = V::fma(row, column[j], tile.at[i][j]); });
      });
      a += MR;
      b += kColumns;
    }
  }

  static void gemm(std::size_t depth, const T* a, const T* b, T* c, std::ptrdiff_t row_stride,
                   std::ptrdiff_t column_stride, int rows, int columns, bool overwrite) {
    Tile tile;
    multiply(depth, a, b, tile);
    if (rows == MR && columns == kColumns && column_stride == 1) {
      unroll<MR>([&](auto i) TENSIM_LAMBDA {
        T* row = c + i * row_stride;
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
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < columns; ++j) {
        T& at = c[i * row_stride + j * column_stride];
        at = overwrite ? buffer[i * kColumns + j] : at + buffer[i * kColumns + j];
      }
    }
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

  static void pair_partial(std::size_t depth, const T* a, const T* b, double* partial, bool overwrite) {
    Tile tile;
    multiply(depth, a, b, tile);
    unroll<MR>([&](auto i) TENSIM_LAMBDA {
      unroll<NV * kParts>([&](auto p) TENSIM_LAMBDA {
        double* at = partial + i * kColumns + p * kLanes;
        const WideVector value = wide<decltype(i)::value, decltype(p)::value>(tile);
        W::store(at, overwrite ? value : W::add(W::load(at), value));
      });
    });
  }

  static void pair_finish(std::size_t depth, const T* a, const T* b, const double* partial, std::size_t outputs,
                          const double* da, const double* db, double* sums) {
    Tile tile;
    multiply(depth, a, b, tile);
    // K of unit row i and the j-th vector of unit columns; R' follows L' in the panel at a distance of kUnitVectors
    // vectors.
    WideVector k[kRowUnits][kUnitVectors];
    unroll<kRowUnits>([&](auto i) TENSIM_LAMBDA {
      unroll<kUnitVectors>([&](auto j) TENSIM_LAMBDA {
        constexpr int row = 2 * decltype(i)::value;
        constexpr int left = decltype(j)::value;
        constexpr int right = left + kUnitVectors;
        WideVector ll = wide<row, left>(tile), lr = wide<row, right>(tile);
        WideVector rl = wide<row + 1, left>(tile), rr = wide<row + 1, right>(tile);
        if (partial != nullptr) {
          const double* at = partial + row * kColumns;
          ll = W::add(ll, W::load(at + left * kLanes));
          lr = W::add(lr, W::load(at + right * kLanes));
          rl = W::add(rl, W::load(at + kColumns + left * kLanes));
          rr = W::add(rr, W::load(at + kColumns + right * kLanes));
        }
        k[i][j] = W::fma(ll, rr, W::mul(lr, rl));
      });
    });
    for (std::size_t c = 0; c < outputs; ++c) {
      WideVector sum = W::load(sums + c * kLanes);
      unroll<kUnitVectors>([&](auto j) TENSIM_LAMBDA {
        WideVector weighted = W::mul(W::splat(da[0]), k[0][j]);
        unroll<kRowUnits - 1>([&](auto i)
                                  TENSIM_LAMBDA { weighted = W::fma(W::splat(da[i + 1]), k[i + 1][j], weighted); });
        sum = W::fma(weighted, W::load(db + j * kLanes), sum);
      });
      W::store(sums + c * kLanes, sum);
      da += kRowUnits;
      db += kColumnUnits;
    }
  }

  // Eight independent sums hide the latency of the multiply-add.
  static double dot(std::size_t length, const T* a, const T* b) {
    constexpr int kSums = 8 / kParts;
    constexpr std::size_t kStep = static_cast<std::size_t>(kSums) * kWidth;
    WideVector sums[kSums * kParts];
    unroll<kSums * kParts>([&](auto i) TENSIM_LAMBDA { sums[i] = W::zero(); });
    std::size_t at = 0;
    for (; at + kStep <= length; at += kStep) {
      unroll<kSums>([&](auto i) TENSIM_LAMBDA {
        const Vector x = V::load_any(a + at + i * kWidth), y = V::load_any(b + at + i * kWidth);
        unroll<kParts>([&](auto p) TENSIM_LAMBDA {
          constexpr int part = decltype(p)::value;
          if constexpr (kParts == 1) {
            sums[i] = W::fma(x, y, sums[i]);
          } else {
            sums[i * kParts + p] = W::fma(V::template widen<part>(x), V::template widen<part>(y), sums[i * kParts + p]);
          }
        });
      });
    }
    WideVector all = sums[0];
    unroll<kSums * kParts - 1>([&](auto i) TENSIM_LAMBDA { all = W::add(all, sums[i + 1]); });
    double result = W::sum(all);
    for (; at < length; ++at) result += static_cast<double>(a[at]) * static_cast<double>(b[at]);
    return result;
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

  static constexpr MicroKernels<T> table() { return {MR, kColumns, kLanes, &gemm, &pair_partial, &pair_finish, &dot}; }
};

template <class F64, class F32>
constexpr KernelSet kernel_set(InstructionSet set) {
  return {set, F64::table(), F32::table(), &F64::peak, &F32::peak};
}

}  // namespace
}  // namespace tensim
