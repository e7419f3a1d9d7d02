#pragma once

#include <cstddef>

#include "hidden.h"

namespace tensim {

// Pairs of units one by one, for those that the series of a tile do not reach (MATH.md sections 10 and 11).

// Row `lane` of a packed panel.
template <class T>
struct PackedRow {
  const T* data;
  std::size_t step;
  double operator[](std::size_t k) const { return static_cast<double>(data[k * step]); }
};
template <class T>
PackedRow<T> packed_row(const AlignedBuffer<T>& panels, std::size_t width, std::size_t depth, std::size_t unit) {
  return {panels.data() + unit / width * width * depth + unit % width, width};
}

// The covariance of two units of degree 2, that of all higher degrees, and both together.
struct UnitCovariance {
  double quadratic, higher, all;
};

// What the rows of two units are to each other: ρ, κ, κ' and ν.
struct Crossed {
  double rho = 0, kappa = 0, kappa_prime = 0, nu = 0;
};

// ρ near ±1 from the square of the difference of the two, which keeps the digits of 1 − |ρ|.
double rho_of(double gap, bool negative);

UnitCovariance covariance_of(const HiddenUnit& a, const HiddenUnit& b, const Crossed& by, bool gated);

// Of a unit with itself, which takes no integral.
UnitCovariance own_covariance(const HiddenUnit& unit);

// Of unit i of a with unit j of b, in closed form or by quadrature; `negative` tells the sign of ρ, which is near ±1.
template <class T>
UnitCovariance closed_kernel(const PreparedHidden<T>& a, const PreparedHidden<T>& b, std::size_t i, std::size_t j,
                             bool negative);

// What that takes, in terms of the series of a whole tile.
template <class T>
double closed_cost(const PreparedHidden<T>& a, const PreparedHidden<T>& b);

}  // namespace tensim
