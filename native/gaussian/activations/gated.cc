#include "gated.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "coefficients.h"
#include "conditional.h"
#include "normal.h"
#include "piece_coefficients.h"

namespace tensim {
namespace {

// The functions of z of a unit that are piecewise polynomials.
struct GatedLines {
  LinePieces p, q, dp, dq;

  explicit GatedLines(const GatedUnit& unit)
      : q(on_line(pieces_of(unit.gate.activation), unit.gate.mean, unit.gate.deviation)) {
    p = times_linear(q, unit.constant, unit.beta);
    dp = differentiated(p);
    dq = differentiated(q);
  }
};

GatedKernels between_lines(const GatedLines& f, const GatedLines& g, double rho) {
  return {expectation(f.p, g.p, rho), expectation(f.q, g.dp, rho), expectation(f.dp, g.q, rho),
          expectation(f.q, g.q, rho), expectation(f.dq, g.dq, rho)};
}

// A unit's functions at one z, or averages of them.
struct GatedValues {
  double p, q, dp, dq;
};

GatedValues values_at(const GatedUnit& unit, double z) {
  const Unit& gate = unit.gate;
  const double x = gate.mean + gate.deviation * z, factor = unit.constant + unit.beta * z;
  const double q = value(gate.activation, x), dq = gate.deviation * derivative(gate.activation, x);
  return {factor * q, q, unit.beta * q + factor * dq, dq};
}

// Averages over w of a unit's functions at z = along + across·w.
GatedValues averages_at(const GatedUnit& unit, double along, double across, const Averages& average) {
  const double s = unit.gate.deviation, factor = unit.constant + unit.beta * along, q = average.value;
  const double dq = s * average.slope;
  // By Stein E w φ is s·across·E φ'.
  return {factor * q + unit.beta * across * across * dq, q,
          unit.beta * q + factor * dq + unit.beta * across * s * average.lean, dq};
}

GatedKernels between(const GatedUnit& inner, const GatedUnit& outer, double rho) {
  const double r = std::sqrt(std::max((1 - rho) * (1 + rho), 0.0));
  GatedKernels sums{};
  for_points_between(inner.gate, outer.gate, rho, [&](double weight, double z, double mean, const Blurred& average) {
    const GatedValues a = averages_at(inner, rho * z, r, average.at(mean)), b = values_at(outer, z);
    sums.pp += weight * a.p * b.p;
    sums.q_dp += weight * a.q * b.dp;
    sums.dp_q += weight * a.dp * b.q;
    sums.qq += weight * a.q * b.q;
    sums.dq_dq += weight * a.dq * b.dq;
  });
  if (r == 0 && inner.gate.activation.kind == ActivationKind::kHeaviside) {
    // The derivative of a step is a delta function, which only averaging turns into a number.
    const double t = -inner.gate.mean / inner.gate.deviation, density = normal_density(t);
    const GatedValues there = values_at(outer, rho * t);
    sums.dp_q += density == 0 ? 0 : density * (inner.constant + inner.beta * t) * there.q;
    sums.dq_dq += density == 0 ? 0 : density * there.dq;
  }
  return sums;
}

// The series of both, where that of one ends: at degree 3 for a polynomial gate, at 1 for a tilted exponential.
constexpr std::size_t kTerms = 3;

struct GatedSeries {
  std::array<double, kTerms + 1> p{}, q{}, dp{}, dq{};

  GatedSeries() = default;
  explicit GatedSeries(const GatedUnit& unit) {
    std::array<double, kTerms + 3> gate;
    unit_coefficients(unit.gate.activation, unit.gate.mean, unit.gate.deviation, kTerms + 2, gate.data());
    gated_coefficients(gate.data(), unit.constant, unit.beta, kTerms, p.data(), q.data(), dp.data(), dq.data());
  }
};

double summed(const std::array<double, kTerms + 1>& a, const std::array<double, kTerms + 1>& b, double rho) {
  double sum = 0;
  for (std::size_t n = kTerms + 1; n-- > 0;) sum = sum * rho + a[n] * b[n];
  return sum;
}

GatedKernels between_series(const GatedSeries& f, const GatedSeries& g, double rho) {
  return {summed(f.p, g.p, rho), summed(f.q, g.dp, rho), summed(f.dp, g.q, rho), summed(f.q, g.q, rho),
          summed(f.dq, g.dq, rho)};
}

// e^(m + s z) tilts the law: z goes to z + s, and z' to z' + rho s.
GatedKernels exp_kernels(const GatedUnit& u, const GatedUnit& v, double rho) {
  const double s = u.gate.deviation, moved = rho * s;
  GatedUnit tilted = v;
  tilted.gate.mean += v.gate.deviation * moved;
  tilted.constant += v.beta * moved;
  const double constant = u.constant + u.beta * s, factor = std::exp(u.gate.mean + 0.5 * s * s);
  GatedSeries f;
  f.p = {constant, u.beta};
  f.q = {1};
  f.dp = {u.beta + s * constant, s * u.beta};
  f.dq = {s};
  GatedKernels kernels = between_series(f, GatedSeries(tilted), rho);
  for (double* k : {&kernels.pp, &kernels.q_dp, &kernels.dp_q, &kernels.qq, &kernels.dq_dq})
    *k = *k == 0 ? 0 : *k * factor;
  return kernels;
}

GatedKernels turned(const GatedKernels& k) {
  return {k.pp, k.dp_q, k.q_dp, k.qq, k.dq_dq};
}

// Whether the unit's functions are polynomials of z: also where z does not move the gate.
bool polynomial(const GatedUnit& unit) {
  return unit.gate.deviation < kLeastDeviation || pieces_of(unit.gate.activation).whole;
}

}  // namespace

GatedKernels gated_kernels(const GatedUnit& u, const GatedUnit& v, double rho) {
  if (polynomial(u) || polynomial(v)) return between_series(GatedSeries(u), GatedSeries(v), rho);
  if (u.gate.activation.kind == ActivationKind::kExp) return exp_kernels(u, v, rho);
  if (v.gate.activation.kind == ActivationKind::kExp) return turned(exp_kernels(v, u, rho));
  if (only_pieces(pieces_of(u.gate.activation), u.gate.deviation) &&
      only_pieces(pieces_of(v.gate.activation), v.gate.deviation))
    return between_lines(GatedLines(u), GatedLines(v), rho);
  return inner_first(u.gate, v.gate) ? between(u, v, rho) : turned(between(v, u, rho));
}

void gated_coefficients(const double* gate, double constant, double beta, std::size_t terms, double* p, double* q,
                        double* dp, double* dq) {
  const auto p_at = [&](std::size_t n) {
    const auto order = static_cast<double>(n);
    return constant * gate[n] +
           beta * ((n > 0 ? std::sqrt(order) * gate[n - 1] : 0) + std::sqrt(order + 1) * gate[n + 1]);
  };
  double next = p_at(0);
  for (std::size_t n = 0; n <= terms; ++n) {
    const double up = std::sqrt(static_cast<double>(n + 1));
    p[n] = next;
    next = p_at(n + 1);
    q[n] = gate[n];
    dp[n] = up * next;
    dq[n] = up * gate[n + 1];
  }
}

}  // namespace tensim
