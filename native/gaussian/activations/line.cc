#include "line.h"

#include <algorithm>
#include <cmath>

#include "normal.h"
#include "pieces.h"
#include "quadrature.h"

namespace tensim {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// An activation as a function of x: about 0 it changes on `scale`, and is close to a polynomial 32 times that away.
struct Shape {
  double scale = kInfinity, band = 0, panel = kInfinity;
};

// A function that is analytic in a strip of this half width about the real axis: e^(−35) is below rounding.
Shape analytic(double half_width) {
  return {half_width, 35 / half_width, kInfinity};
}

Shape shape_of(ActivationKind kind) {
  switch (kind) {
    case ActivationKind::kTanh:
    case ActivationKind::kMish:
      return analytic(kPi / 2);
    case ActivationKind::kSigmoid:
    case ActivationKind::kSilu:
    case ActivationKind::kSoftplus:
      return analytic(kPi);
    case ActivationKind::kQuickGelu:
      return analytic(kPi / 1.702);
    case ActivationKind::kGeluTanh:
      return {1.5, 35 / 2.5, kInfinity};
    // Entire: their transforms fall like those of normal densities.
    case ActivationKind::kGelu:
      return {1, 9, kInfinity};
    case ActivationKind::kErf:
      return {0.7, 12.5, kInfinity};
    case ActivationKind::kSin:
    case ActivationKind::kCos:
      return {kInfinity, 1, 3};
    // eˣ below the kink.
    case ActivationKind::kElu:
    case ActivationKind::kSelu:
      return {1.5, kInfinity, kInfinity};
    case ActivationKind::kRelu:
    case ActivationKind::kLeakyRelu:
    case ActivationKind::kPrelu:
    case ActivationKind::kRelu6:
    case ActivationKind::kHardtanh:
    case ActivationKind::kRelu2:
    case ActivationKind::kAbs:
    case ActivationKind::kHeaviside:
    case ActivationKind::kHardswish:
    case ActivationKind::kHardsigmoid:
      return {kInfinity, kInfinity, kInfinity};
    case ActivationKind::kIdentity:
    case ActivationKind::kSquare:
    case ActivationKind::kExp:
      return {};
  }
  return {};
}

// The transform of the density, with what it multiplies, is below rounding beyond this.
constexpr double kDensityBand = 9;
// Beyond this the trapezoidal rule takes more points than the panels of a Gauss rule.
constexpr double kWidestBand = 150;
// Waves shorter than the second are averaged away.
constexpr double kLongestPanel = 2, kShortestPanel = 1e-4;
// Panels about a feature, in its scale.
constexpr double kSteps[] = {1, 2, 4, 8, 16, 32};

Nodes trapezoid(double step, double reach) {
  const double half = std::ceil(reach / step);
  Nodes nodes;
  for (double p = -half; p <= half; ++p) {
    nodes.z.push_back(p * step);
    nodes.weights.push_back(step * normal_density(p * step));
  }
  return nodes;
}

std::vector<double> panel_ends(const std::vector<Feature>& features, double panel, double reach) {
  const double panels = std::ceil(2 * reach / panel);
  std::vector<double> ends;
  for (double i = 0; i <= panels; ++i) ends.push_back(-reach + 2 * reach * i / panels);
  const auto inside = [&](double at) {
    if (std::abs(at) < reach) ends.push_back(at);
  };
  for (const Feature& feature : features) {
    inside(feature.at);
    for (const double step : kSteps) {
      const double distance = step * feature.scale;
      if (!(distance < 4 * kLongestPanel)) break;
      inside(feature.at - distance);
      inside(feature.at + distance);
    }
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return ends;
}

Nodes composite(const std::vector<Feature>& features, double panel, double reach) {
  const auto& rule = legendre_rule<20>();
  const std::vector<double> ends = panel_ends(features, panel, reach);
  Nodes nodes;
  for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
    const double half = (ends[i + 1] - ends[i]) / 2, middle = ends[i] + half;
    for (std::size_t k = 0; k < rule.nodes.size(); ++k) {
      const double z = middle + half * rule.nodes[k];
      nodes.z.push_back(z);
      nodes.weights.push_back(half * rule.weights[k] * normal_density(z));
    }
  }
  return nodes;
}

double width_of(const Grain& grain, double frequency) {
  return grain.band + frequency + kDensityBand;
}

}  // namespace

Grain together(Grain a, const Grain& b) {
  a.band += b.band;
  a.features.insert(a.features.end(), b.features.begin(), b.features.end());
  a.panel = std::min(a.panel, b.panel);
  return a;
}

Grain grain_of(const Activation& activation, double mean, double deviation, double slope, double spread) {
  constexpr double kBlurred = 9;  // e^(−9²/2) is below rounding
  Grain grain;
  const double size = deviation * std::abs(slope);
  if (size == 0) return grain;
  const Shape shape = shape_of(activation.kind);
  const Pieces pieces = pieces_of(activation);
  const double blur = spread / std::abs(slope);
  const auto place = [&](double x) { return (x - mean) / (deviation * slope); };
  for (std::size_t k = 0; k < pieces.knots; ++k) grain.features.push_back({place(pieces.knot[k]), blur});
  if (shape.scale < kInfinity) grain.features.push_back({place(0), std::hypot(shape.scale / size, blur)});
  // A blurred function has its transform times e^(−(ω·blur)²/2).
  grain.band = shape.band == 0 ? 0 : std::min(shape.band * size, kBlurred / blur);
  grain.panel = shape.panel / size;
  return grain;
}

bool evenly(const Grain& grain, double frequency) {
  return width_of(grain, frequency) <= kWidestBand;
}

Nodes nodes_for(const Grain& grain, double reach, double frequency) {
  if (evenly(grain, frequency)) return trapezoid(2 * kPi / width_of(grain, frequency), reach);
  // Twenty points resolve some fourteen radians.
  const double panel = std::max(kShortestPanel, std::min({kLongestPanel, grain.panel, 14 / std::max(frequency, 1.0)}));
  return composite(grain.features, panel, reach);
}

}  // namespace tensim
