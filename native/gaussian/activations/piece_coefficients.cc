#include "piece_coefficients.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "hermite.h"
#include "line.h"
#include "normal.h"
#include "quadrature.h"

namespace tensim {
namespace {

// E P(m + s z) 1[behind the knot] h_n(z), for z above (sign 1) or below (sign −1) it.
void add_tail(const Quadratic& polynomial, double knot, double sign, double mean, double deviation, std::size_t terms,
              double* row) {
  const double t = sign * (knot - mean) / deviation;
  if (t < -kFarthest) {
    Pieces everywhere;
    everywhere.whole = true;
    everywhere.polynomials[0] = polynomial;
    add_coefficients(on_line(everywhere, mean, deviation), terms, row);
    return;
  }
  const Quadratic there = centred_at(polynomial, knot);
  double scale = 1;
  for (std::size_t p = 0; p < there.size(); ++p, scale *= sign * deviation) {
    if (there[p] != 0) add_half(p, t, scale * there[p], sign, terms, row);
  }
}

// Two knots close together for z: what lies between them by points, for as differences of tails it would cancel.
void add_narrow(const Pieces& pieces, const Activation& activation, double mean, double deviation, std::size_t terms,
                double* row) {
  const auto& [first, second] = pieces.knot;
  add_tail(pieces.polynomials[0], first, -1, mean, deviation, terms, row);
  add_tail(pieces.polynomials[2], second, 1, mean, deviation, terms, row);
  const double middle = (0.5 * (first + second) - mean) / deviation, half = 0.5 * (second - first) / deviation;
  if (std::abs(middle) > kFarthest) return;
  const auto& rule = legendre_rule<20>();
  std::vector<double> z, values;
  for (std::size_t i = 0; i < rule.nodes.size(); ++i) {
    z.push_back(middle + half * rule.nodes[i]);
    // The point in x by itself, for in z it may have no digits.
    const double x = 0.5 * (first + second) + 0.5 * (second - first) * rule.nodes[i];
    values.push_back(half * rule.weights[i] * value(activation, x) * std::exp(-0.25 * z[i] * z[i]) /
                     std::sqrt(2 * kPi));
  }
  add_points(z, values, terms, row);
}

// E factor·e^(m + s z) 1[z < t] h_n(z) with m + s t = 0. By parts, I_n = (s I_{n−1} − ϕ(t) h_{n−1}(t)) / √n, which
// would lose digits like s^n/√n! grows.
void add_exponential(double t, double deviation, double factor, std::size_t terms, double* row) {
  const double s = deviation;
  if (t < -kFarthest) return;
  constexpr double kStable = 2;
  if (s > kStable && terms > 2) {
    Grain grain;
    grain.band = std::numeric_limits<double>::infinity();
    grain.features.push_back({t, 1.5 / s});
    const Nodes nodes = nodes_for(grain, 14, std::sqrt(static_cast<double>(terms)));
    std::vector<double> z, values;
    for (std::size_t i = 0; i < nodes.z.size(); ++i) {
      if (nodes.z[i] >= t) break;
      z.push_back(nodes.z[i]);
      values.push_back(factor * nodes.weights[i] * std::exp(s * (z[i] - t) + 0.25 * z[i] * z[i]));
    }
    add_points(z, values, terms, row);
    return;
  }
  const double density = normal_density(t);
  double integral = t < s ? density * mills_ratio(s - t) : std::exp(s * (0.5 * s - t)) * normal_distribution(t - s);
  const bool far = t > kFarthest;
  HermiteFunctions h(far ? 0 : t);
  const double rest = far ? 0 : std::exp(-0.25 * t * t) / std::sqrt(2 * kPi);
  for (std::size_t n = 0; n <= terms; ++n) {
    row[n] += factor * integral;
    integral = (s * integral - rest * h.next()) / std::sqrt(static_cast<double>(n + 1));
  }
}

}  // namespace

void piece_coefficients(const Pieces& pieces, const Activation& activation, double mean, double deviation,
                        std::size_t terms, double* row) {
  if (narrow(pieces, deviation)) {
    add_narrow(pieces, activation, mean, deviation, terms, row);
    return;
  }
  add_coefficients(on_line(pieces, mean, deviation), terms, row);
  if (pieces.exponential != 0) add_exponential(-mean / deviation, deviation, pieces.exponential, terms, row);
}

}  // namespace tensim
