#include "coefficients.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "../../core/matrix.h"
#include "../../gemm/gemm.h"
#include "blurred.h"
#include "hermite.h"
#include "kernel.h"
#include "normal.h"
#include "piece_coefficients.h"

namespace tensim {
namespace {

// How far φ h_n reaches under the density.
constexpr double kFar = 12.5;

// GELU(u) = E (u + ε)_+ − ε 1[u + ε > 0] over ε ~ N(0, 1): a rectifier of a wider normal number, less ϕ(u).
void gelu_coefficients(double mean, double deviation, std::size_t terms, double* row) {
  const double t = std::sqrt(1 + deviation * deviation), a = mean / t, q = deviation / t;
  const Averages low = Blurred({ActivationKind::kGelu, 0}, deviation).at(mean);
  row[0] = low.value;
  if (terms >= 1) row[1] = deviation * low.slope;
  if (std::abs(a) > kFarthest) return;
  HermiteFunctions two_below(a), here(a);
  here.next();
  here.next();
  double scale = std::exp(-0.25 * a * a) / std::sqrt(2 * kPi) * q * q;
  for (std::size_t n = 2; n <= terms; ++n, scale *= -q) {
    const auto order = static_cast<double>(n);
    row[n] = scale * (t / std::sqrt(order * (order - 1)) * two_below.next() - here.next() / t);
  }
}

void erf_coefficients(double mean, double deviation, std::size_t terms, double* row) {
  const double t = std::sqrt(0.5 + deviation * deviation), a = mean / t, q = deviation / t;
  row[0] = std::erf(a * 0.70710678118654752440);
  if (std::abs(a) > kFarthest) return;
  HermiteFunctions h(a);
  double scale = 2 * std::exp(-0.25 * a * a) / std::sqrt(2 * kPi) * q;
  for (std::size_t n = 1; n <= terms; ++n, scale *= -q) row[n] = scale * h.next() / std::sqrt(static_cast<double>(n));
}

void exp_coefficients(double mean, double deviation, std::size_t terms, double* row) {
  double value = std::exp(mean + 0.5 * deviation * deviation);
  for (std::size_t n = 0; n <= terms; ++n) {
    row[n] = value;
    value *= deviation / std::sqrt(static_cast<double>(n + 1));
  }
}

// Re or Im of e^{im − s²/2} (is)^n/√n!, by logarithms, for the first factor alone may be below all numbers.
void trig_coefficients(ActivationKind kind, double mean, double deviation, std::size_t terms, double* row) {
  const double sine = std::sin(mean), cosine = std::cos(mean);
  const std::array<double, 4> turns = kind == ActivationKind::kCos
                                          ? std::array<double, 4>{cosine, -sine, -cosine, sine}
                                          : std::array<double, 4>{sine, cosine, -sine, -cosine};
  const double rise = std::log(deviation);
  double factorial = 0;
  for (std::size_t n = 0; n <= terms; ++n) {
    const auto order = static_cast<double>(n);
    if (n > 0) factorial += 0.5 * std::log(order);
    row[n] = turns[n % 4] * std::exp((n > 0 ? order * rise : 0) - factorial - 0.5 * deviation * deviation);
  }
}

// The points of units whose band is at most `band`: weights with half of the density, and h_n with the other half.
Nodes points_for(const Grain& grain, std::size_t terms) {
  Nodes nodes = nodes_for(grain, kFar, std::sqrt(static_cast<double>(terms)));
  for (std::size_t i = 0; i < nodes.z.size(); ++i) nodes.weights[i] *= std::exp(0.25 * nodes.z[i] * nodes.z[i]);
  return nodes;
}

// Units share points with those of about their band: a band of this much times a power of two. Null for units whose
// band is wider than even points are for.
constexpr double kFirstBand = 15;
constexpr std::size_t kBands = 4;

std::size_t band_of(double band) {
  std::size_t index = 0;
  for (double most = kFirstBand; index < kBands && band > most; most *= 2) ++index;
  return index;
}

Grain shared_grain(std::size_t index) {
  Grain grain;
  grain.band = std::ldexp(kFirstBand, static_cast<int>(index));
  return grain;
}

// How the units of a smooth activation are taken: with others, by points that all of them share, or each by its own.
bool shares_points(std::size_t index, std::size_t terms) {
  return index < kBands && evenly(shared_grain(index), std::sqrt(static_cast<double>(terms)));
}

// By points; returns E φ².
double smooth_coefficients(const Activation& activation, double mean, double deviation, std::size_t terms,
                           double* row) {
  const Grain own = grain_of(activation, mean, deviation);
  const std::size_t index = band_of(own.band);
  const Nodes nodes = points_for(shares_points(index, terms) ? shared_grain(index) : own, terms);
  std::vector<double> values(nodes.z.size());
  double energy = 0;
  for (std::size_t p = 0; p < values.size(); ++p) {
    const double phi = value(activation, mean + deviation * nodes.z[p]);
    values[p] = nodes.weights[p] * phi;
    energy += values[p] * phi * std::exp(-0.25 * nodes.z[p] * nodes.z[p]);
  }
  add_points(nodes.z, values, terms, row);
  return energy;
}

// Many units of one band: (units × points) · (points × terms + 1).
class SharedPoints {
 public:
  SharedPoints(std::size_t index, std::size_t terms)
      : nodes_(points_for(shared_grain(index), terms)), hermite_(nodes_.z.size(), terms + 1) {
    for (std::size_t p = 0; p < nodes_.z.size(); ++p) {
      HermiteFunctions h(nodes_.z[p]);
      for (std::size_t n = 0; n <= terms; ++n) hermite_.row(p)[n] = nodes_.weights[p] * h.next();
      densities_.push_back(nodes_.weights[p] * std::exp(-0.25 * nodes_.z[p] * nodes_.z[p]));
    }
  }

  void add(const Context& context, const Activation& activation, const double* means, const double* deviations,
           const std::vector<std::size_t>& units, double* values, double* energy) const {
    const std::size_t count = nodes_.z.size(), width = hermite_.columns;
    const std::size_t together = std::max<std::size_t>(1, kElements / count);
    for (std::size_t first = 0; first < units.size(); first += together) {
      const std::size_t rows = std::min(together, units.size() - first);
      Matrix<double> phi(rows, count);
      context.parallel_for(rows, 20 * count, [&](std::size_t i) {
        const std::size_t unit = units[first + i];
        double* row = phi.row(i);
        for (std::size_t p = 0; p < count; ++p) row[p] = means[unit] + deviations[unit] * nodes_.z[p];
        apply(activation, nullptr, row, 1, count);
        double sum = 0;
        for (std::size_t p = 0; p < count; ++p) sum += densities_[p] * row[p] * row[p];
        energy[unit] = sum;
      });
      const Matrix<double> found = multiply<double>(context, phi.view(), hermite_.view());
      for (std::size_t i = 0; i < rows; ++i)
        std::copy(found.row(i), found.row(i) + width, values + units[first + i] * width);
    }
  }

 private:
  static constexpr std::size_t kElements = std::size_t{1} << 18;  // of φ at once

  Nodes nodes_;
  std::vector<double> densities_;
  Matrix<double> hermite_;
};

}  // namespace

void unit_coefficients(const Activation& activation, double mean, double deviation, std::size_t terms, double* row) {
  std::fill(row, row + terms + 1, 0.0);
  if (deviation < kLeastDeviation) {
    row[0] = value(activation, mean);
    return;
  }
  const Pieces pieces = pieces_of(activation);
  if (pieces.knots > 0 || pieces.whole) {
    piece_coefficients(pieces, activation, mean, deviation, terms, row);
  } else if (activation.kind == ActivationKind::kGelu) {
    gelu_coefficients(mean, deviation, terms, row);
  } else if (activation.kind == ActivationKind::kErf) {
    erf_coefficients(mean, deviation, terms, row);
  } else if (activation.kind == ActivationKind::kExp) {
    exp_coefficients(mean, deviation, terms, row);
  } else if (activation.kind == ActivationKind::kSin || activation.kind == ActivationKind::kCos) {
    trig_coefficients(activation.kind, mean, deviation, terms, row);
  } else {
    smooth_coefficients(activation, mean, deviation, terms, row);
  }
}

void coefficients(const Context& context, const Activation& activation, const double* slopes, const double* means,
                  const double* deviations, std::size_t units, std::size_t terms, double* values, double* energy) {
  const bool by_points = !Blurred::closed(activation.kind);
  std::array<std::vector<std::size_t>, kBands> shared;
  std::vector<std::size_t> alone;
  for (std::size_t i = 0; i < units; ++i) {
    const std::size_t index = by_points && deviations[i] >= kLeastDeviation
                                  ? band_of(grain_of(activation, means[i], deviations[i]).band)
                                  : kBands;
    (shares_points(index, terms) ? shared[index] : alone).push_back(i);
  }
  for (std::size_t index = 0; index < kBands; ++index) {
    if (shared[index].empty()) continue;
    SharedPoints(index, terms).add(context, activation, means, deviations, shared[index], values, energy);
  }
  context.parallel_for(alone.size(), 2000 + 20 * terms, [&](std::size_t k) {
    const std::size_t i = alone[k];
    Activation own = activation;
    if (slopes != nullptr) own.slope = slopes[i];
    double* row = values + i * (terms + 1);
    if (by_points && deviations[i] >= kLeastDeviation) {
      std::fill(row, row + terms + 1, 0.0);
      energy[i] = smooth_coefficients(own, means[i], deviations[i], terms, row);
      return;
    }
    unit_coefficients(own, means[i], deviations[i], terms, row);
    const Unit unit{own, means[i], deviations[i]};
    // Rounding must not leave less than what the coefficients hold: of a unit that is hardly ever on, all is rounding.
    double held = 0;
    for (std::size_t n = 0; n <= terms; ++n) held += row[n] * row[n];
    energy[i] = std::max(kernel(unit, unit, 1), held);
  });
}

}  // namespace tensim
