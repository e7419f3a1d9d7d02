#include "activation.h"

#include <array>
#include <cmath>

#include "functions.h"
#include "normal.h"

namespace tensim {
namespace {

constexpr std::array<const char*, 26> kNames = {
    "identity",  "square", "relu",      "leaky_relu", "prelu", "relu6", "hardtanh",  "relu2",      "abs",
    "heaviside", "gelu",   "gelu_tanh", "quick_gelu", "silu",  "tanh",  "sigmoid",   "softplus",   "mish",
    "erf",       "sin",    "cos",       "exp",        "elu",   "selu",  "hardswish", "hardsigmoid"};

// d/dx (x σ(g)) with g' = `rate`.
double gate_derivative(double x, double g, double rate) {
  if (std::abs(g) > 800) return g > 0 ? 1 : 0;
  const double s = sigmoid(g);
  return s + x * rate * s * sigmoid(-g);
}

double mish_derivative(double x) {
  if (x > 20) return 1;
  const double e = std::exp(x), w = e * (e + 2), below = w + 2;
  return w / below + x * 4 * (w + 1) / (below * below) * sigmoid(x);
}

}  // namespace

std::optional<ActivationKind> activation_named(const std::string& name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<ActivationKind>(i);
  }
  return std::nullopt;
}

double value(const Activation& activation, double x) {
  double result = 0;
  with_function<double>(activation.kind, [&](const auto& phi) { result = phi(x, activation.slope); });
  return result;
}

double derivative(const Activation& activation, double x) {
  switch (activation.kind) {
    case ActivationKind::kIdentity:
      return 1;
    case ActivationKind::kSquare:
      return 2 * x;
    case ActivationKind::kRelu:
      return x > 0 ? 1 : 0;
    case ActivationKind::kLeakyRelu:
    case ActivationKind::kPrelu:
      return x > 0 ? 1 : activation.slope;
    case ActivationKind::kRelu6:
      return x > 0 && x < 6 ? 1 : 0;
    case ActivationKind::kHardtanh:
      return x > -1 && x < 1 ? 1 : 0;
    case ActivationKind::kRelu2:
      return x > 0 ? 2 * x : 0;
    case ActivationKind::kAbs:
      return x > 0 ? 1 : -1;
    case ActivationKind::kHeaviside:
      return 0;
    case ActivationKind::kGelu:
      return normal_distribution(x) + x * normal_density(x);
    case ActivationKind::kGeluTanh:
      return gate_derivative(x, 2 * kGeluScale * x * (1 + kGeluCubic * x * x),
                             2 * kGeluScale * (1 + 3 * kGeluCubic * x * x));
    case ActivationKind::kQuickGelu:
      return gate_derivative(x, kQuickGelu * x, kQuickGelu);
    case ActivationKind::kSilu:
      return gate_derivative(x, x, 1);
    case ActivationKind::kTanh:
      return 4 * sigmoid(2 * x) * sigmoid(-2 * x);
    case ActivationKind::kSigmoid:
      return sigmoid(x) * sigmoid(-x);
    case ActivationKind::kSoftplus:
      return sigmoid(x);
    case ActivationKind::kMish:
      return mish_derivative(x);
    case ActivationKind::kErf:
      return 2 / std::sqrt(kPi) * std::exp(-x * x);
    case ActivationKind::kSin:
      return std::cos(x);
    case ActivationKind::kCos:
      return -std::sin(x);
    case ActivationKind::kExp:
      return std::exp(x);
    case ActivationKind::kElu:
      return x > 0 ? 1 : activation.slope * std::exp(x);
    case ActivationKind::kSelu:
      return kSeluScale * (x > 0 ? 1 : kSeluAlpha * std::exp(x));
    case ActivationKind::kHardswish:
      return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5;
    case ActivationKind::kHardsigmoid:
      return x > -3 && x < 3 ? 1.0 / 6 : 0;
  }
  return 0;
}

template <class T>
void apply(const Activation& activation, const double* slopes, T* rows, std::size_t count, std::size_t width) {
  with_function<T>(activation.kind, [&](const auto& phi) {
    if (slopes == nullptr) {
      const T slope = static_cast<T>(activation.slope);
      for (std::size_t i = 0; i < count * width; ++i) rows[i] = phi(rows[i], slope);
      return;
    }
    for (T* row = rows; row != rows + count * width; row += width)
      for (std::size_t i = 0; i < width; ++i) row[i] = phi(row[i], static_cast<T>(slopes[i]));
  });
}

template void apply<double>(const Activation&, const double*, double*, std::size_t, std::size_t);
template void apply<float>(const Activation&, const double*, float*, std::size_t, std::size_t);

}  // namespace tensim
