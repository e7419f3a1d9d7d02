#include "kernel.h"

#include <array>

#include "bivariate.h"
#include "coefficients.h"
#include "conditional.h"
#include "normal.h"
#include "piece_coefficients.h"
#include "pieces.h"

namespace tensim {
namespace {

// 0 times a mean that is beyond all numbers is 0 here.
double product(double a, double b) {
  return a == 0 || b == 0 ? 0 : a * b;
}

// t = u + ε and t' = v + ε' with ε, ε' ~ N(0, 1): E H(t) H(t') u v by Stein.
double gelu_kernel(const Unit& u, const Unit& v, double rho) {
  const double s = u.deviation * u.deviation, w = v.deviation * v.deviation, c = rho * u.deviation * v.deviation;
  const double t = std::sqrt(1 + s), y = std::sqrt(1 + w);
  const double a = u.mean / t, b = v.mean / y, q = c / (t * y), r = std::sqrt((1 - q) * (1 + q));
  const double hh = orthant(a, b, q), both = bivariate_density(a, b, q);
  const double p = normal_density(a) * normal_distribution((b - q * a) / r);
  const double o = normal_density(b) * normal_distribution((a - q * b) / r);
  const double dh = p / t, hd = o / y, dd = both / (t * y);
  const double ddh = (-a * p - q * both) / (t * t), hdd = (-b * o - q * both) / (y * y);
  const double v_hh = v.mean * hh + c * dh + w * hd;
  const double v_dh = v.mean * dh + c * ddh + w * dd;
  const double v_hd = v.mean * hd + c * dd + w * hdd;
  return u.mean * v_hh + c * hh + s * v_dh + c * v_hd;
}

// erf(x) = 2Φ(√2 x) − 1
double erf_kernel(const Unit& u, const Unit& v, double rho) {
  const double t = std::hypot(std::sqrt(0.5), u.deviation), y = std::hypot(std::sqrt(0.5), v.deviation);
  const double a = u.mean / t, b = v.mean / y, q = rho * (u.deviation / t) * (v.deviation / y);
  return 4 * orthant(a, b, q) - 2 * normal_distribution(a) - 2 * normal_distribution(b) + 1;
}

double trig_kernel(const Unit& u, const Unit& v, double rho) {
  const double low = u.mean - v.mean, high = u.mean + v.mean;
  // s² + s'² ∓ 2 rho s s' as squares, which does not cancel.
  const double gap = u.deviation - v.deviation, sum = u.deviation + v.deviation;
  const double both = u.deviation * v.deviation;
  const double less = std::exp(-0.5 * (gap * gap + 2 * (1 - rho) * both));
  const double more = std::exp(-0.5 * (sum * sum - 2 * (1 - rho) * both));
  const bool cosine = u.activation.kind == ActivationKind::kCos, other = v.activation.kind == ActivationKind::kCos;
  if (cosine && other) return 0.5 * (std::cos(low) * less + std::cos(high) * more);
  if (!cosine && !other) return 0.5 * (std::cos(low) * less - std::cos(high) * more);
  return 0.5 * (std::sin(high) * more + (cosine ? -1 : 1) * std::sin(low) * less);
}

bool is_trig(ActivationKind kind) {
  return kind == ActivationKind::kSin || kind == ActivationKind::kCos;
}

double average_of(const Unit& unit) {
  return Blurred(unit.activation, unit.deviation).value(unit.mean);
}

// A polynomial has no coefficients beyond its degree.
double polynomial_kernel(const Unit& u, const Unit& v, double rho) {
  std::array<double, 3> a, b;
  unit_coefficients(u.activation, u.mean, u.deviation, 2, a.data());
  unit_coefficients(v.activation, v.mean, v.deviation, 2, b.data());
  return a[0] * b[0] + rho * (a[1] * b[1] + rho * (a[2] * b[2]));
}

// e^u tilts the law of v.
double exp_kernel(const Unit& u, const Unit& v, double rho) {
  const Unit tilted{v.activation, v.mean + rho * u.deviation * v.deviation, v.deviation};
  return product(std::exp(u.mean + 0.5 * u.deviation * u.deviation), average_of(tilted));
}

double between(const Unit& inner, const Unit& outer, double rho) {
  double sum = 0;
  for_points_between(inner, outer, rho, [&](double weight, double z, double mean, const Blurred& average) {
    sum += weight * value(outer.activation, outer.mean + outer.deviation * z) * average.value(mean);
  });
  return sum;
}

}  // namespace

double kernel(const Unit& u, const Unit& v, double rho) {
  const ActivationKind one = u.activation.kind, other = v.activation.kind;
  if (u.deviation < kLeastDeviation) return product(value(u.activation, u.mean), average_of(v));
  if (v.deviation < kLeastDeviation) return product(value(v.activation, v.mean), average_of(u));
  const Pieces first = pieces_of(u.activation), second = pieces_of(v.activation);
  if (first.whole || second.whole) return polynomial_kernel(u, v, rho);
  if (one == ActivationKind::kExp) return exp_kernel(u, v, rho);
  if (other == ActivationKind::kExp) return exp_kernel(v, u, rho);
  if (only_pieces(first, u.deviation) && only_pieces(second, v.deviation))
    return expectation(on_line(first, u.mean, u.deviation), on_line(second, v.mean, v.deviation), rho);
  if (one == other && one == ActivationKind::kGelu) return gelu_kernel(u, v, rho);
  if (one == other && one == ActivationKind::kErf) return erf_kernel(u, v, rho);
  if (is_trig(one) && is_trig(other)) return trig_kernel(u, v, rho);
  return inner_first(u, v) ? between(u, v, rho) : between(v, u, rho);
}

}  // namespace tensim
