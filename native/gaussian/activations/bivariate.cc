#include "bivariate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "normal.h"
#include "quadrature.h"

namespace tensim {
namespace {

// √(1 − rho²)
double spread(double rho) {
  return std::sqrt(std::max((1 - rho) * (1 + rho), 0.0));
}

// b − rho a, without cancellation where rho is near ±1: 1 − |rho| is exact.
double rest(double a, double b, double rho) {
  return rho > 0 ? (b - a) + (1 - rho) * a : (b + a) - (1 + rho) * a;
}

// 1/2π ∫₀^k e^(−h²(1+x²)/2) / (1+x²) dx, h ≥ 0 and 0 ≤ k ≤ 1.
double owen_near(double h, double k) {
  const auto& rule = legendre_rule<24>();
  // The density of normal numbers ends before k where h is large.
  const double end = h * k > 9 ? 9 / h : k, half = 0.5 * end;
  double sum = 0;
  for (std::size_t i = 0; i < rule.nodes.size(); ++i) {
    const double x = half + half * rule.nodes[i], square = 1 + x * x;
    sum += rule.weights[i] * std::exp(-0.5 * h * h * square) / square;
  }
  return sum * half / (2 * kPi);
}

// Owen's T(h, k) for h ≥ 0 where `across` is h·k, of any sign and infinite too.
double owen(double h, double across) {
  const double size = std::abs(across);
  if (size == 0) return 0;
  if (h > 38.6) return 0;
  double t;
  if (size <= h) {
    t = owen_near(h, size / h);
  } else if (h == 0) {
    t = 0.25;
  } else {
    // T(h, k) and T(hk, 1/k) share the quadrant.
    const double q = normal_distribution(-h), p = normal_distribution(-size);
    t = 0.5 * q + 0.5 * p - q * p - (std::isinf(size) ? 0 : owen_near(size, h / size));
  }
  return across < 0 ? -t : t;
}

// The orthant for a, b ≤ 0 and |rho| < 1, where no term is larger than what it is about.
double lower_orthant(double a, double b, double rho) {
  const double r = spread(rho);
  if (a == 0 && b == 0) return 0.25 + std::asin(rho) / (2 * kPi);
  const double sum = 0.5 * (normal_distribution(a) + normal_distribution(b)) + owen(-a, rest(a, b, rho) / r) +
                     owen(-b, rest(b, a, rho) / r);
  return std::max(sum, 0.0);
}

// E δ(z+x) (z'+y)_+^q, q ≤ most: there z' + y = c + r w.
std::array<double, TruncatedMoments::kMost + 1> edges(double x, double y, double rho, std::size_t most) {
  std::array<double, TruncatedMoments::kMost + 1> e{};
  const double r = spread(rho), c = rest(x, y, rho), density = normal_density(x);
  if (density == 0) return e;
  if (r > 0) {
    e[0] = normal_distribution(c / r);
    e[1] = c * e[0] + r * normal_density(c / r);
  } else {
    e[0] = c > 0 ? 1 : c < 0 ? 0 : 0.5;
    e[1] = c > 0 ? c : 0;
  }
  for (std::size_t q = 2; q <= most; ++q) e[q] = c * e[q - 1] + static_cast<double>(q - 1) * r * r * e[q - 2];
  for (double& value : e) value *= density;
  return e;
}

}  // namespace

double bivariate_density(double a, double b, double rho) {
  const double q = (1 - rho) * (1 + rho);
  if (!(q > 0)) return 0;
  // a² + b² − 2 rho ab, as a square and what is left of it.
  const double e =
      rho > 0 ? (a - b) * (a - b) / q + 2 * a * b / (1 + rho) : (a + b) * (a + b) / q - 2 * a * b / (1 - rho);
  return std::exp(-0.5 * e) / (2 * kPi * std::sqrt(q));
}

double orthant(double a, double b, double rho) {
  if (rho >= 1) return normal_distribution(std::min(a, b));
  if (rho <= -1) {
    // P(−b < z < a), from the side where the distribution is small.
    if (a + b <= 0) return 0;
    return a > 0 && b > 0 ? 1 - normal_distribution(-a) - normal_distribution(-b)
           : a > 0        ? normal_distribution(b) - normal_distribution(-a)
                          : normal_distribution(a) - normal_distribution(-b);
  }
  if (a > 0 && b > 0) return 1 - normal_distribution(-a) - normal_distribution(-b) + lower_orthant(-a, -b, rho);
  if (a > 0) return std::max(normal_distribution(b) - lower_orthant(-a, b, -rho), 0.0);
  if (b > 0) return std::max(normal_distribution(a) - lower_orthant(a, -b, -rho), 0.0);
  return lower_orthant(a, b, rho);
}

TruncatedMoments truncated_moments(double a, double b, double rho, std::size_t most) {
  TruncatedMoments moments;
  auto& m = moments.of;
  const auto ea = edges(a, b, rho, most), eb = edges(b, a, rho, most);
  moments.edge = ea;
  moments.other_edge = eb;
  m[0][0] = orthant(a, b, rho);
  for (std::size_t q = 1; q <= most; ++q) {
    m[0][q] = b * m[0][q - 1] + rho * ea[q - 1] + (q == 1 ? eb[0] : static_cast<double>(q - 1) * m[0][q - 2]);
  }
  for (std::size_t p = 1; p <= most; ++p) {
    for (std::size_t q = 0; q <= most; ++q) {
      m[p][q] = a * m[p - 1][q] + (p == 1 ? ea[q] : static_cast<double>(p - 1) * m[p - 2][q]) +
                rho * (q == 0 ? eb[p - 1] : static_cast<double>(q) * m[p - 1][q - 1]);
    }
  }
  return moments;
}

}  // namespace tensim
