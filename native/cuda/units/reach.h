#pragma once

#include <cmath>

#include "sides.h"

namespace tensim::cuda {

// How far series reach in the part of a tile that a warp has, by the bound of native/gaussian/hidden_pair.h: what is
// left out behind degree N is no more than |ρ|^e(N) Σ_i w_i T_i(N) Σ_j w'_j T'_j(N), times N + 1 where gates are steps.
template <class T>
struct Reach {
  const UnitsSide<T>&row, &column;
  std::uint32_t row_group, row_count, column_group, column_count;
  bool gated, stepped;
  std::uint32_t most;  // the last degree that there is
  double allowed;

  TENSIM_KERNEL Reach(const UnitsSide<T>& row, const UnitsSide<T>& column, std::uint32_t row_unit,
                      std::uint32_t row_units, std::uint32_t column_unit, std::uint32_t column_units, bool gated,
                      bool stepped, std::uint32_t most, double tolerance)
      : row(row),
        column(column),
        row_group(row_unit / kUnitsGroup),
        row_count(row_units / kUnitsGroup),
        column_group(column_unit / kUnitsGroup),
        column_count(column_units / kUnitsGroup),
        gated(gated),
        stepped(stepped),
        most(most),
        allowed(tolerance * sum(row.shares + row_group, row_count) * sum(column.shares + column_group, column_count)) {}

  // The largest |ρ| that they are enough for; larger than 1 where they always are.
  TENSIM_KERNEL double limit() const {
    const double left = rest(most), n = most;
    double limit = 2;
    if (left > allowed) limit = exp(log(allowed / left) / (gated ? n - 1 : n + 1));
    if (!stepped) return limit;
    const double falling = exp(-1 / (n + 1));
    return limit < falling ? limit : falling;
  }

  // The fewest terms that are enough up to |ρ|, and what they leave out.
  TENSIM_KERNEL std::uint32_t terms_for(double rho, double& bound) const {
    rho = rho < 1 ? rho : 1;
    double power = gated ? rho : rho * rho * rho;
    std::uint32_t terms = 2;
    for (;;) {
      bound = power * rest(terms);
      const bool falls = !stepped || rho <= exp(-1.0 / (terms + 1));
      if ((bound <= allowed && falls) || terms >= most) return terms;
      ++terms;
      power *= rho;
    }
  }

 private:
  TENSIM_KERNEL static double sum(const double* values, std::uint32_t count) {
    double sum = 0;
    for (std::uint32_t n = 0; n < count; ++n) sum += values[n];
    return sum;
  }
  TENSIM_KERNEL double rest(std::uint32_t terms) const {
    const std::uint64_t degree = terms - 2;
    const double own = sum(row.tails + degree * (row.padded / kUnitsGroup) + row_group, row_count);
    const double other = sum(column.tails + degree * (column.padded / kUnitsGroup) + column_group, column_count);
    return own * other * (stepped ? terms + 1 : 1);
  }
};

}  // namespace tensim::cuda
