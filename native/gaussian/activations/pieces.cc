#include "pieces.h"

#include <algorithm>
#include <cmath>

#include "bivariate.h"
#include "hermite.h"
#include "normal.h"

namespace tensim {
namespace {

constexpr double kNarrow = 0.25;
constexpr std::size_t kHome = 4;  // coefficients of a polynomial of degree 3

Pieces at_zero(const Quadratic& below, const Quadratic& above) {
  Pieces pieces;
  pieces.knots = 1;
  pieces.polynomials = {below, above, {}};
  return pieces;
}

Pieces between(double first, double second, const std::array<Quadratic, 3>& polynomials) {
  Pieces pieces;
  pieces.knots = 2;
  pieces.knot = {first, second};
  pieces.polynomials = polynomials;
  return pieces;
}

Pieces everywhere(const Quadratic& polynomial) {
  Pieces pieces;
  pieces.whole = true;
  pieces.polynomials[0] = polynomial;
  return pieces;
}

Pieces with_exponential(double factor, double slope_above) {
  Pieces pieces = at_zero({-factor, 0, 0}, {0, slope_above, 0});
  pieces.exponential = factor;
  pieces.step = true;  // of the polynomials, which the exponential makes up for
  return pieces;
}

// p(m + s z) in powers of z.
std::array<double, kHome> of_z(const Quadratic& p, double m, double s) {
  return {p[0] + m * (p[1] + p[2] * m), s * (p[1] + 2 * p[2] * m), p[2] * s * s, 0};
}

// Powers of z as Hermite polynomials: z² = √2 h₂ + 1, z³ = √6 h₃ + 3 h₁.
std::array<double, kHome> hermite_series(const std::array<double, kHome>& p) {
  return {p[0] + p[2], p[1] + 3 * p[3], std::sqrt(2.0) * p[2], std::sqrt(6.0) * p[3]};
}

std::array<double, kHome> halves_series(const LinePieces& f) {
  LinePieces alone = f;
  alone.home = {};
  std::array<double, kHome> series{};
  add_coefficients(alone, kHome - 1, series.data());
  return series;
}

double half_products(const Half& f, const Half& g, double rho) {
  if (f.at > kFarthest || g.at > kFarthest) return 0;
  const double along = f.sign * g.sign * rho;
  const auto highest = [](const Half& half) {
    std::size_t power = 3;
    while (power > 0 && half.power[power] == 0) --power;
    return power;
  };
  const std::size_t p = highest(f), q = highest(g);
  const TruncatedMoments moments = truncated_moments(-f.at, -g.at, along, std::max(p, q));
  double sum = 0;
  for (std::size_t i = 0; i <= p; ++i) {
    for (std::size_t j = 0; j <= q; ++j) {
      if (f.power[i] != 0 && g.power[j] != 0) sum += f.power[i] * g.power[j] * moments.of[i][j];
    }
  }
  if (f.impulse != 0) {
    for (std::size_t j = 0; j <= q; ++j) sum += f.impulse * g.power[j] * moments.edge[j];
  }
  if (g.impulse != 0) {
    for (std::size_t i = 0; i <= p; ++i) sum += g.impulse * f.power[i] * moments.other_edge[i];
  }
  if (f.impulse != 0 && g.impulse != 0) sum += f.impulse * g.impulse * bivariate_density(f.at, g.at, along);
  return sum;
}

}  // namespace

Pieces pieces_of(const Activation& activation) {
  switch (activation.kind) {
    case ActivationKind::kIdentity:
      return everywhere({0, 1, 0});
    case ActivationKind::kSquare:
      return everywhere({0, 0, 1});
    case ActivationKind::kRelu:
      return at_zero({}, {0, 1, 0});
    case ActivationKind::kLeakyRelu:
    case ActivationKind::kPrelu:
      return at_zero({0, activation.slope, 0}, {0, 1, 0});
    case ActivationKind::kRelu6:
      return between(0, 6, {Quadratic{}, {0, 1, 0}, {6, 0, 0}});
    case ActivationKind::kHardtanh:
      return between(-1, 1, {Quadratic{-1, 0, 0}, {0, 1, 0}, {1, 0, 0}});
    case ActivationKind::kRelu2:
      return at_zero({}, {0, 0, 1});
    case ActivationKind::kAbs:
      return at_zero({0, -1, 0}, {0, 1, 0});
    case ActivationKind::kHeaviside: {
      Pieces pieces = at_zero({}, {1, 0, 0});
      pieces.step = true;
      return pieces;
    }
    case ActivationKind::kElu:
      return with_exponential(activation.slope, 1);
    case ActivationKind::kSelu:
      return with_exponential(kSeluScale * kSeluAlpha, kSeluScale);
    case ActivationKind::kHardswish:
      return between(-3, 3, {Quadratic{}, {0, 1.0 / 2, 1.0 / 6}, {0, 1, 0}});
    case ActivationKind::kHardsigmoid:
      return between(-3, 3, {Quadratic{}, {1.0 / 2, 1.0 / 6, 0}, {1, 0, 0}});
    case ActivationKind::kGelu:
    case ActivationKind::kGeluTanh:
    case ActivationKind::kQuickGelu:
    case ActivationKind::kSilu:
    case ActivationKind::kTanh:
    case ActivationKind::kSigmoid:
    case ActivationKind::kSoftplus:
    case ActivationKind::kMish:
    case ActivationKind::kErf:
    case ActivationKind::kSin:
    case ActivationKind::kCos:
    case ActivationKind::kExp:
      return {};
  }
  return {};
}

Quadratic centred_at(const Quadratic& polynomial, double at) {
  const double linear = polynomial[1] + polynomial[2] * at;
  return {polynomial[0] + linear * at, linear + polynomial[2] * at, polynomial[2]};
}

bool narrow(const Pieces& pieces, double deviation) {
  return pieces.knots == 2 && pieces.knot[1] - pieces.knot[0] < kNarrow * deviation;
}

LinePieces on_line(const Pieces& pieces, double mean, double deviation) {
  LinePieces line;
  std::size_t home = 0;
  while (home < pieces.knots && pieces.knot[home] < mean) ++home;
  line.home = of_z(pieces.polynomials[home], mean, deviation);
  for (std::size_t k = 0; k < pieces.knots; ++k) {
    const double t = (pieces.knot[k] - mean) / deviation;
    const Quadratic left = centred_at(pieces.polynomials[k], pieces.knot[k]);
    const Quadratic right = centred_at(pieces.polynomials[k + 1], pieces.knot[k]);
    Half half;
    half.sign = k < home ? -1 : 1;
    half.at = std::abs(t);
    double scale = half.sign;
    for (std::size_t p = 0; p < 3; ++p, scale *= half.sign * deviation) {
      // The pieces meet at a knot; rounding must not make a step of that.
      if (p > 0 || pieces.step) half.power[p] = scale * (right[p] - left[p]);
    }
    line.halves[line.count++] = half;
  }
  return line;
}

LinePieces times_linear(const LinePieces& f, double constant, double beta) {
  LinePieces product = f;
  for (std::size_t p = 0; p < kHome; ++p) product.home[p] = constant * f.home[p] + (p > 0 ? beta * f.home[p - 1] : 0);
  for (std::size_t k = 0; k < f.count; ++k) {
    const Half& from = f.halves[k];
    Half& to = product.halves[k];
    const double there = constant + beta * from.sign * from.at;
    for (std::size_t p = 0; p < kHome; ++p)
      to.power[p] = there * from.power[p] + (p > 0 ? beta * from.sign * from.power[p - 1] : 0);
  }
  return product;
}

LinePieces differentiated(const LinePieces& f) {
  LinePieces slope = f;
  const auto lower = [](const std::array<double, kHome>& from, double sign) {
    return std::array<double, kHome>{sign * from[1], sign * 2 * from[2], sign * 3 * from[3], 0};
  };
  slope.home = lower(f.home, 1);
  for (std::size_t k = 0; k < f.count; ++k) {
    Half& half = slope.halves[k];
    half.power = lower(f.halves[k].power, half.sign);
    half.impulse = half.sign * f.halves[k].power[0];
  }
  return slope;
}

double expectation(const LinePieces& f, const LinePieces& g, double rho) {
  const auto a = hermite_series(f.home), b = hermite_series(g.home);
  const auto c = halves_series(f), d = halves_series(g);
  double sum = 0;
  for (std::size_t n = kHome; n-- > 0;) sum = sum * rho + (a[n] * (b[n] + d[n]) + c[n] * b[n]);
  for (std::size_t k = 0; k < f.count; ++k)
    for (std::size_t l = 0; l < g.count; ++l) sum += half_products(f.halves[k], g.halves[l], rho);
  return sum;
}

void add_half(std::size_t power, double t, double factor, double sign, std::size_t terms, double* row) {
  if (t > kFarthest) return;
  const double density = normal_density(t);
  // E (z − t)_+^j, j ≤ power.
  std::array<double, kHome> moment{};
  moment[0] = normal_distribution(-t);
  moment[1] = t > 1 ? density * (1 - t * mills_ratio(t)) : density - t * moment[0];
  for (std::size_t j = 2; j <= power; ++j) moment[j] = static_cast<double>(j - 1) * moment[j - 2] - t * moment[j - 1];
  double scale = factor;  // factor · p!/(p−n)!/√n! · (±1)^n
  for (std::size_t n = 0; n <= power && n <= terms; ++n) {
    row[n] += scale * moment[power - n];
    scale *= sign * static_cast<double>(power - n) / std::sqrt(static_cast<double>(n + 1));
  }
  // The (p+1)-th derivative is p! times the delta function at t.
  double factorial = factor;
  for (std::size_t j = 2; j <= power; ++j) factorial *= static_cast<double>(j);
  if (sign < 0 && power % 2 == 0) factorial = -factorial;
  HermiteFunctions h(t);
  const double rest = std::exp(-0.25 * t * t) / std::sqrt(2 * kPi);
  for (std::size_t n = power + 1; n <= terms; ++n) {
    double falling = 1;  // n!/k!
    for (std::size_t j = n - power; j <= n; ++j) falling *= static_cast<double>(j);
    row[n] += factorial * rest * h.next() / std::sqrt(falling);
    factorial *= sign;
  }
}

void add_coefficients(const LinePieces& f, std::size_t terms, double* row) {
  const auto series = hermite_series(f.home);
  for (std::size_t n = 0; n < kHome && n <= terms; ++n) row[n] += series[n];
  for (std::size_t k = 0; k < f.count; ++k) {
    const Half& half = f.halves[k];
    for (std::size_t p = 0; p < kHome; ++p) {
      if (half.power[p] != 0) add_half(p, half.at, half.power[p], half.sign, terms, row);
    }
    if (half.impulse == 0 || half.at > kFarthest) continue;
    HermiteFunctions h(half.at);
    double scale = half.impulse * std::exp(-0.25 * half.at * half.at) / std::sqrt(2 * kPi);
    for (std::size_t n = 0; n <= terms; ++n, scale *= half.sign) row[n] += scale * h.next();
  }
}

}  // namespace tensim
