// Hermite series of the pairs of units of a micro-tile. See gemm/kernels.h for what is computed.
#pragma once

#include "vector.h"

namespace tensim {
namespace {

// MR rows by NV vectors of columns.
template <class V, int MR, int NV>
struct HermiteKernel {
  using T = typename V::T;
  using Vector = typename V::Vector;
  using W = typename WideOf<V>::type;  // double vectors
  using WideVector = typename W::Vector;

  static constexpr int kWidth = V::kWidth;
  static constexpr int kLanes = W::kWidth;
  static constexpr int kParts = kWidth / kLanes;  // double vectors per vector of T: 1 or 2
  static constexpr int kColumns = NV * kWidth;
  // Rows at a time. Of hidden units every vector has two registers, of gated ones seven, most of which are read once
  // per term: where there are few registers they come from the first cache.
  static constexpr int kHiddenRows = MR / 2;
  static constexpr int kGatedRows = NV > 2 ? MR / 2 : 1;
  static_assert(MR % kHiddenRows == 0 && MR % kGatedRows == 0, "a tile is a whole number of groups of rows");

  static T largest(const T* tile) {
    TENSIM_ASSERT(on_vector<V>(tile));
    const Vector minus = V::splat(T(-1));
    Vector most[NV];
    unroll<NV>([&](auto j) TENSIM_LAMBDA { most[j] = V::zero(); });
    for (int i = 0; i < MR; ++i) {
      unroll<NV>([&](auto j) TENSIM_LAMBDA {
        const Vector x = V::load(tile + i * kColumns + j * kWidth);
        most[j] = V::max(most[j], V::max(x, V::mul(x, minus)));
      });
    }
    unroll<NV - 1>([&](auto j) TENSIM_LAMBDA { most[0] = V::max(most[0], most[j + 1]); });
    alignas(64) T lanes[kWidth];
    V::store(lanes, most[0]);
    T result = lanes[0];
    for (int lane = 1; lane < kWidth; ++lane) result = lanes[lane] > result ? lanes[lane] : result;
    return result;
  }

  template <int Part>
  static TENSIM_INLINE WideVector wide(Vector v) {
    if constexpr (kParts == 1) {
      return v;
    } else {
      return V::template widen<Part>(v);
    }
  }

  struct Sums {
    WideVector quadratic, higher;
  };

  // Stores what a vector of pairs gives, from element `at` of the tile on, and adds its degrees to the sums.
  static TENSIM_INLINE void put(const HermiteTile<T>& tile, int at, Vector quadratic, Vector higher, Sums& sums) {
    V::store(tile.values + at, V::add(quadratic, higher));
    if (tile.weights == nullptr) return;
    const Vector weight = V::load(tile.weights + at);
    unroll<kParts>([&](auto p) TENSIM_LAMBDA {
      constexpr int part = decltype(p)::value;
      sums.quadratic = W::fma(wide<part>(weight), wide<part>(quadratic), sums.quadratic);
      sums.higher = W::fma(wide<part>(weight), wide<part>(higher), sums.higher);
    });
  }

  // Horner's rule downwards from the last degree to 3.
  static TENSIM_INLINE void hidden_rows(const HermiteTile<T>& tile, int row, Sums& sums) {
    constexpr int R = kHiddenRows;
    const T* a = tile.rows.p + row;
    const T* b = tile.columns.p;
    Vector rho[R][NV], series[R][NV];
    unroll<R>([&](auto i) TENSIM_LAMBDA {
      unroll<NV>([&](auto j) TENSIM_LAMBDA {
        rho[i][j] = V::load(tile.rho + (row + i) * kColumns + j * kWidth);
        series[i][j] = V::zero();
      });
    });
    for (std::size_t n = tile.terms - 2; n > 0; --n) {
      Vector column[NV];
      unroll<NV>([&](auto j) TENSIM_LAMBDA { column[j] = V::load(b + n * kColumns + j * kWidth); });
      unroll<R>([&](auto i) TENSIM_LAMBDA {
        const Vector value = V::splat(a[n * MR + i]);
        unroll<NV>([&](auto j)
                       TENSIM_LAMBDA { series[i][j] = V::fma(series[i][j], rho[i][j], V::mul(value, column[j])); });
      });
    }
    unroll<R>([&](auto i) TENSIM_LAMBDA {
      const Vector value = V::splat(a[i]);
      unroll<NV>([&](auto j) TENSIM_LAMBDA {
        const Vector square = V::mul(rho[i][j], rho[i][j]);
        put(tile, (row + i) * kColumns + j * kWidth, V::mul(square, V::mul(value, V::load(b + j * kWidth))),
            V::mul(V::mul(series[i][j], rho[i][j]), square), sums);
      });
    });
  }

  static void hidden(const HermiteTile<T>& tile) {
    check(tile);
    Sums sums = load(tile);
    for (int row = 0; row < MR; row += kHiddenRows) hidden_rows(tile, row, sums);
    store(tile, sums);
  }

  // What the terms of a vector of pairs are made of.
  struct Gate {
    Vector rho, square;      // ρ, ρ²
    Vector left, right;      // ρκ', ρκ
    Vector product, excess;  // κκ', ρν − κκ'
  };

  static TENSIM_INLINE Gate gate_of(const HermiteTile<T>& tile, int at) {
    Gate gate;
    gate.rho = V::load(tile.rho + at);
    gate.square = V::mul(gate.rho, gate.rho);
    const Vector kappa = V::load(tile.kappa + at), kappa_prime = V::load(tile.kappa_prime + at);
    gate.left = V::mul(gate.rho, kappa_prime);
    gate.right = V::mul(gate.rho, kappa);
    gate.product = V::mul(kappa, kappa_prime);
    gate.excess = V::fma(gate.rho, V::load(tile.nu + at), V::mul(gate.product, V::splat(T(-1))));
    return gate;
  }

  // The bracket of degree n, where p', q' are those of the columns.
  static TENSIM_INLINE Vector bracket(const Gate& gate, Vector inverse, Vector p, Vector q, Vector p_prime,
                                      Vector q_prime) {
    const Vector both = V::fma(inverse, gate.excess, gate.product);
    const Vector with_p = V::fma(gate.left, q_prime, V::mul(gate.square, p_prime));
    const Vector with_q = V::fma(both, q_prime, V::mul(gate.right, p_prime));
    return V::fma(q, with_q, V::mul(p, with_p));
  }

  static TENSIM_INLINE void gated_rows(const HermiteTile<T>& tile, int row, int column, Sums& sums) {
    constexpr int R = kGatedRows;
    const T *p = tile.rows.p + row, *q = tile.rows.q + row;
    const T *p_prime = tile.columns.p + column, *q_prime = tile.columns.q + column;
    Gate gate[R];
    Vector series[R];
    unroll<R>([&](auto i) TENSIM_LAMBDA {
      gate[i] = gate_of(tile, (row + i) * kColumns + column);
      series[i] = V::zero();
    });
    for (std::size_t n = tile.terms; n > 2; --n) {
      const auto k = static_cast<std::ptrdiff_t>(n - 2);
      const Vector inverse = V::splat(T(1) / static_cast<T>(n));
      const Vector plain = V::load(p_prime + k * kColumns), gated = V::load(q_prime + k * tile.columns.q_step);
      unroll<R>([&](auto i) TENSIM_LAMBDA {
        series[i] = V::fma(
            series[i], gate[i].rho,
            bracket(gate[i], inverse, V::splat(p[k * MR + i]), V::splat(q[k * tile.rows.q_step + i]), plain, gated));
      });
    }
    unroll<R>([&](auto i) TENSIM_LAMBDA {
      put(tile, (row + i) * kColumns + column,
          bracket(gate[i], V::splat(T(0.5)), V::splat(p[i]), V::splat(q[i]), V::load(p_prime), V::load(q_prime)),
          V::mul(series[i], gate[i].rho), sums);
    });
  }

  static void gated(const HermiteTile<T>& tile) {
    check(tile);
    TENSIM_ASSERT(on_vector<V>(tile.kappa) && on_vector<V>(tile.kappa_prime) && on_vector<V>(tile.nu));
    TENSIM_ASSERT(on_vector<V>(tile.columns.q) && tile.columns.q_step % kWidth == 0);
    Sums sums = load(tile);
    for (int column = 0; column < kColumns; column += kWidth) {
      for (int row = 0; row < MR; row += kGatedRows) gated_rows(tile, row, column, sums);
    }
    store(tile, sums);
  }

  static TENSIM_INLINE void check([[maybe_unused]] const HermiteTile<T>& tile) {
    TENSIM_ASSERT(tile.terms >= 2 && on_vector<V>(tile.rho) && on_vector<V>(tile.values));
    TENSIM_ASSERT(on_vector<V>(tile.columns.p) && on_vector<V>(tile.weights) && on_vector<W>(tile.sums));
  }
  static TENSIM_INLINE Sums load(const HermiteTile<T>& tile) {
    if (tile.weights == nullptr) return {W::zero(), W::zero()};
    return {W::load(tile.sums), W::load(tile.sums + kLanes)};
  }
  static TENSIM_INLINE void store(const HermiteTile<T>& tile, const Sums& sums) {
    if (tile.weights == nullptr) return;
    W::store(tile.sums, sums.quadratic);
    W::store(tile.sums + kLanes, sums.higher);
  }
};

}  // namespace
}  // namespace tensim
