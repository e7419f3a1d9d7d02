#pragma once

#include "sides.h"

namespace tensim::cuda {

// The Hermite series of pairs of units whose products a thread has in its registers (MATH.md sections 10 and 11), from
// the highest degree down:
//
//   K = Σ_n p_n p'_n ρ^n
//
// A thread has pairs of 8 rows with 8 columns of a tile.
template <class T, bool kGated, bool kTf32>
struct UnitsSeries {
  using Product = TileProduct<T, kTf32>;
  static constexpr unsigned kRows = 8, kColumns = 8;
  static constexpr unsigned kWarpRows = 2 * kPanelRows, kWarpColumns = kPanelRows;

  // What lies side by side, for rows come in pairs and so do columns.
  struct alignas(2 * sizeof(T)) Two {
    T x[2];
  };
  // Rows that are summed at a time: as many as there are registers for beside the products.
  static constexpr unsigned kAtOnce = 2;
  struct Registers {
    T sums[kAtOnce][kColumns], own[kAtOnce];
    Two p[kColumns / 2];
  };

  TENSIM_KERNEL static unsigned row_of(unsigned thread, unsigned, unsigned a) {
    return Product::warp_y(thread) * kWarpRows + a / 2 * 16 + thread % kWarp / 4 * 2 + a % 2;
  }
  TENSIM_KERNEL static unsigned column_of(unsigned thread, unsigned, unsigned b) {
    return Product::warp_x(thread) * kWarpColumns + b / 2 * 8 + thread % 4 * 2 + b % 2;
  }
  TENSIM_KERNEL static T& rho(typename Product::Registers& own, unsigned a, unsigned b) {
    return Product::products(own, a / 2, b / 2)[a % 2 * 2 + b % 2];
  }
  TENSIM_KERNEL static void remove(typename Product::Registers& own, unsigned a, unsigned b) { rho(own, a, b) = T(0); }

  // Adds Σ M K of degree 2 and of those from 3 on to two sums, in shared memory; where K is to be kept, it takes the
  // place of M.
  TENSIM_KERNEL static void add(typename Product::Registers& product, Registers& own, const UnitsSide<T>& row,
                                const UnitsSide<T>& column, std::uint32_t row_unit, std::uint32_t column_unit,
                                std::uint32_t terms, unsigned thread, unsigned square, T* area, bool keep,
                                double& quadratics, double& highers) {
    const T* const row_p = row.p + row_unit + row_of(thread, square, 0);
    const T* const column_p = column.p + column_unit + column_of(thread, square, 0);
    T* const first = area + row_of(thread, square, 0) * kTileUnits + column_of(thread, square, 0);
    TENSIM_UNROLL
    for (unsigned a = 0; a < kRows; a += kAtOnce) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < kAtOnce * kColumns; ++n) own.sums[n / kColumns][n % kColumns] = T(0);
      const T* const rows = row_p + a / 2 * 16 + a % 2;
      take(own, rows + std::uint64_t{terms - 2} * row.padded, column_p + std::uint64_t{terms - 2} * column.padded);
      TENSIM_ROLLED
      for (std::uint32_t degree = terms; degree > 2; --degree) {
        TENSIM_UNROLL
        for (unsigned n = 0; n < kAtOnce * kColumns; ++n) {
          const unsigned s = n / kColumns, b = n % kColumns;
          T& sum = own.sums[s][b];
          sum = sum * rho(product, a + s, b) + own.own[s] * own.p[b / 2].x[b % 2];
        }
        take(own, rows + std::uint64_t{degree - 3} * row.padded, column_p + std::uint64_t{degree - 3} * column.padded);
      }
      double sums[2] = {0, 0};
      TENSIM_UNROLL
      for (unsigned n = 0; n < kAtOnce * kColumns; ++n) {
        const unsigned s = n / kColumns, b = n % kColumns;
        const T x = rho(product, a + s, b), square_of = x * x;
        const T quadratic = own.own[s] * own.p[b / 2].x[b % 2] * square_of, higher = own.sums[s][b] * square_of * x;
        T& weight = first[(a / 2 * 16 + a % 2 + s) * kTileUnits + b / 2 * 8 + b % 2];
        sums[0] += static_cast<double>(weight) * static_cast<double>(quadratic);
        sums[1] += static_cast<double>(weight) * static_cast<double>(higher);
        if (keep) weight = quadratic + higher;
      }
      quadratics += sums[0];
      highers += sums[1];
    }
  }

 private:
  // The coefficients of a degree: of all columns, and of the rows at hand.
  TENSIM_KERNEL static void take(Registers& own, const T* rows, const T* columns) {
    TENSIM_UNROLL
    for (unsigned b = 0; b < kColumns / 2; ++b) own.p[b] = *reinterpret_cast<const Two*>(columns + 8 * b);
    TENSIM_UNROLL
    for (unsigned s = 0; s < kAtOnce; ++s) own.own[s] = rows[s];
  }
};

// Of gated units,
//
//   K = Σ_n ρ^{n−2} [p_n (ρ² p'_n + ρ κ' q'_n) + q_n (ρ κ p'_n + (κ κ' + (ρ ν − κ κ')/n) q'_n)]
//
// with q_n the √n-fold of the q_{n−1} of section 11. A thread has pairs of 4 rows with 4 columns of a quarter of a
// tile.
template <class T, bool kTf32>
struct UnitsSeries<T, true, kTf32> {
  using Product = TileProduct<T, kTf32>;
  static constexpr unsigned kRows = 4, kColumns = 4;
  static constexpr unsigned kWarpRows = 2 * kPanelUnits, kWarpColumns = kPanelUnits;

  struct Factors {
    T rho, pp, pq, qp, qq, rest;
  };
  // Columns that are summed at a time.
  static constexpr unsigned kAtOnce = sizeof(T) == sizeof(double) ? 1 : 4;
  struct Registers {
    Factors factors[kAtOnce];
    T sums[kAtOnce], p[kAtOnce], q[kAtOnce];
  };

  TENSIM_KERNEL static unsigned row_of(unsigned thread, unsigned square, unsigned a) {
    return square / 2 * (kTileUnits / 2) + Product::warp_y(thread) * kWarpRows + a * 8 + thread % kWarp / 4;
  }
  TENSIM_KERNEL static unsigned column_of(unsigned thread, unsigned square, unsigned b) {
    return square % 2 * (kTileUnits / 2) + Product::warp_x(thread) * kWarpColumns + b * 4 + thread % 4;
  }
  TENSIM_KERNEL static T& rho(typename Product::Registers& own, unsigned a, unsigned b) {
    return Product::products(own, a, b)[0];
  }
  TENSIM_KERNEL static void remove(typename Product::Registers& own, unsigned a, unsigned b) {
    TENSIM_UNROLL
    for (unsigned n = 0; n < 4; ++n) Product::products(own, a, b)[n] = T(0);
  }

  TENSIM_KERNEL static void add(typename Product::Registers& product, Registers& own, const UnitsSide<T>& row,
                                const UnitsSide<T>& column, std::uint32_t row_unit, std::uint32_t column_unit,
                                std::uint32_t terms, unsigned thread, unsigned square, T* area, bool keep,
                                double& quadratics, double& highers) {
    const std::uint32_t row_at = row_unit + row_of(thread, square, 0),
                        column_at = column_unit + column_of(thread, square, 0);
    T* const first = area + row_of(thread, square, 0) * kTileUnits + column_of(thread, square, 0);
    TENSIM_UNROLL
    for (unsigned part = 0; part < kRows * kColumns / kAtOnce; ++part) {
      const unsigned a = part * kAtOnce / kColumns, from = part * kAtOnce % kColumns;
      TENSIM_UNROLL
      for (unsigned b = 0; b < kAtOnce; ++b) {
        const T(&c)[4] = Product::products(product, a, from + b);
        const T both = c[2] * c[1];
        own.factors[b] = {c[0], c[0] * c[0], c[0] * c[1], c[0] * c[2], both, c[0] * c[3] - both};
        own.sums[b] = T(0);
      }
      const std::uint32_t row_here = row_at + 8 * a, column_here = column_at + 4 * from;
      TENSIM_ROLLED
      for (std::uint32_t degree = terms; degree > 2; --degree) {
        terms_of(own, row, column, row_here, column_here, degree,
                 [&](unsigned b, T term) { own.sums[b] = own.sums[b] * own.factors[b].rho + term; });
      }
      double sums[2] = {0, 0};
      terms_of(own, row, column, row_here, column_here, 2, [&](unsigned b, T quadratic) {
        const T higher = own.sums[b] * own.factors[b].rho;
        T& weight = first[8 * a * kTileUnits + 4 * (from + b)];
        sums[0] += static_cast<double>(weight) * static_cast<double>(quadratic);
        sums[1] += static_cast<double>(weight) * static_cast<double>(higher);
        if (keep) weight = quadratic + higher;
      });
      quadratics += sums[0];
      highers += sums[1];
    }
  }

 private:
  // What stands in the brackets, of a degree and of all columns.
  template <class Take>
  TENSIM_KERNEL static void terms_of(Registers& own, const UnitsSide<T>& row, const UnitsSide<T>& column,
                                     std::uint32_t row_at, std::uint32_t column_at, std::uint32_t degree,
                                     const Take& take) {
    const std::uint64_t rows = std::uint64_t{degree - 2} * row.padded + row_at,
                        columns = std::uint64_t{degree - 2} * column.padded + column_at;
    const T p = row.p[rows], q = row.q[rows], inverse = T(1) / static_cast<T>(degree);
    TENSIM_UNROLL
    for (unsigned b = 0; b < kAtOnce; ++b) {
      own.p[b] = column.p[columns + 4 * b];
      own.q[b] = column.q[columns + 4 * b];
    }
    TENSIM_UNROLL
    for (unsigned b = 0; b < kAtOnce; ++b) {
      const Factors& by = own.factors[b];
      const T with_p = by.pp * own.p[b] + by.pq * own.q[b],
              with_q = by.qp * own.p[b] + (by.qq + by.rest * inverse) * own.q[b];
      take(b, p * with_p + q * with_q);
    }
  }
};

}  // namespace tensim::cuda
