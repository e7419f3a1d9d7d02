#include "hidden_kernel.h"

#include <algorithm>
#include <cmath>

#include "activations/pieces.h"

namespace tensim {
namespace {

// What an entry takes in closed form and by quadrature, in terms of the series of a tile.
constexpr double kClosedCost = 64, kQuadratureCost = 4096;
// Nearer to ±1 than this is ±1: roundings alone put it there.
constexpr double kSnap = 4e-15;

bool in_closed_form(const Activation& a, const Activation& b, bool gated) {
  const auto of_pieces = [](const Activation& activation) {
    const Pieces pieces = pieces_of(activation);
    return (pieces.knots > 0 || pieces.whole) && pieces.exponential == 0;
  };
  if (of_pieces(a) && of_pieces(b)) return true;
  if (gated || a.kind != b.kind) return false;
  return a.kind == ActivationKind::kGelu || a.kind == ActivationKind::kErf || a.kind == ActivationKind::kSin ||
         a.kind == ActivationKind::kCos || a.kind == ActivationKind::kExp;
}

// κ and κ' come from the difference of the two as well, for U⊥ is orthogonal to ŵ.
template <class T>
Crossed crossed(const PreparedHidden<T>& a, const PreparedHidden<T>& b, std::size_t i, std::size_t j, bool negative) {
  const std::size_t depth = a.inputs;
  const auto own = packed_row(a.rows.directions, a.rows.width, depth, i),
             other = packed_row(b.columns.directions, b.columns.width, depth, j);
  const double sign = negative ? -1 : 1;
  Crossed result;
  double squares = 0;
  for (std::size_t k = 0; k < depth; ++k) {
    const double gap = own[k] - sign * other[k];
    squares += gap * gap;
  }
  result.rho = rho_of(squares, negative);
  if (a.gated) {
    const auto across = packed_row(a.rows.across, a.rows.width, depth, i);
    for (std::size_t k = 0; k < depth; ++k) result.kappa -= across[k] * (own[k] - sign * other[k]) * sign;
  }
  if (b.gated) {
    const auto across = packed_row(b.columns.across, b.columns.width, depth, j);
    for (std::size_t k = 0; k < depth; ++k) result.kappa_prime -= across[k] * (other[k] - sign * own[k]) * sign;
  }
  if (a.gated && b.gated) {
    const auto up = packed_row(a.rows.across, a.rows.width, depth, i),
               other_up = packed_row(b.columns.across, b.columns.width, depth, j);
    for (std::size_t k = 0; k < depth; ++k) result.nu += up[k] * other_up[k];
  }
  return result;
}

}  // namespace

double rho_of(double gap, bool negative) {
  const double rho = (negative ? -1 : 1) * (1 - std::min(2.0, 0.5 * gap));
  return std::abs(rho) > 1 - kSnap ? std::copysign(1.0, rho) : rho;
}

UnitCovariance covariance_of(const HiddenUnit& a, const HiddenUnit& b, const Crossed& by, bool gated) {
  const double rho = by.rho, both = by.kappa * by.kappa_prime;
  const double low = a.p0 * b.p0 + rho * a.p1 * b.p1;
  const double root = std::sqrt(2.0);
  const double quadratic = rho * rho * a.p2 * b.p2 +
                           rho * root * (by.kappa * a.q1 * b.p2 + by.kappa_prime * a.p2 * b.q1) +
                           (rho * by.nu + both) * a.q1 * b.q1;
  const auto from_all = [&](double all) { return UnitCovariance{quadratic, all - quadratic, all}; };
  if (!gated) return from_all(kernel(a.unit.gate, b.unit.gate, rho) - low);
  const GatedKernels k = gated_kernels(a.unit, b.unit, rho);
  const double crossed = by.kappa * (k.q_dp - a.q0 * b.p1) + by.kappa_prime * (k.dp_q - a.p1 * b.q0);
  return from_all(k.pp - low + crossed + by.nu * (k.qq - a.q0 * b.q0) + (both == 0 ? 0 : both * k.dq_dq));
}

UnitCovariance own_covariance(const HiddenUnit& unit) {
  const double square = unit.length * unit.length;
  return {unit.p2 * unit.p2 + square * unit.q1 * unit.q1, unit.higher,
          unit.energy_p + square * unit.energy_q - unit.p0 * unit.p0 - unit.p1 * unit.p1 - square * unit.q0 * unit.q0};
}

template <class T>
UnitCovariance closed_kernel(const PreparedHidden<T>& a, const PreparedHidden<T>& b, std::size_t i, std::size_t j,
                             bool negative) {
  return covariance_of(a.units[i], b.units[j], crossed(a, b, i, j, negative), a.gated || b.gated);
}

template <class T>
double closed_cost(const PreparedHidden<T>& a, const PreparedHidden<T>& b) {
  if (a.units.empty() || b.units.empty()) return 0;
  const Activation &own = a.units.front().unit.gate.activation, &other = b.units.front().unit.gate.activation;
  return in_closed_form(own, other, a.gated || b.gated) ? kClosedCost : kQuadratureCost;
}

template UnitCovariance closed_kernel<double>(const PreparedHidden<double>&, const PreparedHidden<double>&, std::size_t,
                                              std::size_t, bool);
template UnitCovariance closed_kernel<float>(const PreparedHidden<float>&, const PreparedHidden<float>&, std::size_t,
                                             std::size_t, bool);
template double closed_cost<double>(const PreparedHidden<double>&, const PreparedHidden<double>&);
template double closed_cost<float>(const PreparedHidden<float>&, const PreparedHidden<float>&);

}  // namespace tensim
