#include "blurred.h"

#include <array>
#include <cmath>

#include "normal.h"
#include "piece_coefficients.h"

namespace tensim {
namespace {

constexpr double kRootTwo = 1.41421356237309504880;

Averages of_gelu(double m, double s) {
  const double t = std::sqrt(1 + s * s), a = m / t, above = normal_distribution(a), density = normal_density(a);
  return {m * above + density * (s * s / t), above + a * density / (t * t),
          s * density / t * (1 - (a - 1) * (a + 1) / (t * t))};
}

Averages of_erf(double m, double s) {
  const double t = std::sqrt(0.5 + s * s), a = m / t, slope = 2 * normal_density(a) / t;
  return {std::erf(a / kRootTwo), slope, -s / t * a * slope};
}

Averages of_pieces(const Pieces& pieces, const Activation& activation, double m, double s) {
  std::array<double, 3> low{};
  piece_coefficients(pieces, activation, m, s, 2, low.data());
  return {low[0], low[1] / s, kRootTwo * low[2] / s};
}

}  // namespace

bool Blurred::closed(ActivationKind kind) {
  switch (kind) {
    case ActivationKind::kGeluTanh:
    case ActivationKind::kQuickGelu:
    case ActivationKind::kSilu:
    case ActivationKind::kTanh:
    case ActivationKind::kSigmoid:
    case ActivationKind::kSoftplus:
    case ActivationKind::kMish:
      return false;
    case ActivationKind::kIdentity:
    case ActivationKind::kSquare:
    case ActivationKind::kRelu:
    case ActivationKind::kLeakyRelu:
    case ActivationKind::kPrelu:
    case ActivationKind::kRelu6:
    case ActivationKind::kHardtanh:
    case ActivationKind::kRelu2:
    case ActivationKind::kAbs:
    case ActivationKind::kHeaviside:
    case ActivationKind::kGelu:
    case ActivationKind::kErf:
    case ActivationKind::kSin:
    case ActivationKind::kCos:
    case ActivationKind::kExp:
    case ActivationKind::kElu:
    case ActivationKind::kSelu:
    case ActivationKind::kHardswish:
    case ActivationKind::kHardsigmoid:
      return true;
  }
  return true;
}

Blurred::Blurred(const Activation& activation, double deviation)
    : activation_(activation),
      deviation_(deviation < kLeastDeviation ? 0 : deviation),
      closed_(closed(activation.kind)),
      pieces_(pieces_of(activation)) {
  if (closed_ || deviation_ == 0) return;
  const Grain grain = grain_of(activation_, 0, deviation_);
  evenly_ = evenly(grain);
  if (evenly_) nodes_ = nodes_for(grain, kReach);
}

template <class Add>
void Blurred::for_nodes(double mean, const Add& add) const {
  const Nodes here = evenly_ ? Nodes{} : nodes_for(grain_of(activation_, mean, deviation_), kReach);
  const Nodes& nodes = evenly_ ? nodes_ : here;
  for (std::size_t i = 0; i < nodes.z.size(); ++i) add(nodes.weights[i], nodes.z[i], mean + deviation_ * nodes.z[i]);
}

double Blurred::value(double mean) const {
  if (closed_ || deviation_ == 0) return deviation_ == 0 ? tensim::value(activation_, mean) : at(mean).value;
  double sum = 0;
  for_nodes(mean, [&](double weight, double, double x) { sum += weight * tensim::value(activation_, x); });
  return sum;
}

Averages Blurred::at(double mean) const {
  const double m = mean, s = deviation_;
  if (s == 0) return {tensim::value(activation_, m), derivative(activation_, m), 0};
  if (pieces_.knots > 0 || pieces_.whole) return of_pieces(pieces_, activation_, m, s);
  if (!closed_) {
    Averages sums;
    for_nodes(m, [&](double weight, double w, double x) {
      const double slope = weight * derivative(activation_, x);
      sums.value += weight * tensim::value(activation_, x);
      sums.slope += slope;
      sums.lean += w * slope;
    });
    return sums;
  }
  if (activation_.kind == ActivationKind::kGelu) return of_gelu(m, s);
  if (activation_.kind == ActivationKind::kErf) return of_erf(m, s);
  if (activation_.kind == ActivationKind::kExp) {
    const double mean_value = std::exp(m + 0.5 * s * s);
    return {mean_value, mean_value, s * mean_value};
  }
  const double fade = std::exp(-0.5 * s * s), sine = fade * std::sin(m), cosine = fade * std::cos(m);
  if (activation_.kind == ActivationKind::kSin) return {sine, cosine, -s * sine};
  return {cosine, -sine, -s * cosine};
}

}  // namespace tensim
