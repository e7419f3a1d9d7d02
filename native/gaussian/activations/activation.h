#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace tensim {

// In the order of ACTIVATION_NAMES in lib/layers/activations.ts.
enum class ActivationKind : std::uint8_t {
  kIdentity,
  kSquare,
  kRelu,
  kLeakyRelu,
  kPrelu,
  kRelu6,
  kHardtanh,
  kRelu2,
  kAbs,
  kHeaviside,
  kGelu,
  kGeluTanh,
  kQuickGelu,
  kSilu,
  kTanh,
  kSigmoid,
  kSoftplus,
  kMish,
  kErf,
  kSin,
  kCos,
  kExp,
  kElu,
  kSelu,
  kHardswish,
  kHardsigmoid,
};

// A function φ of one number.
struct Activation {
  ActivationKind kind = ActivationKind::kIdentity;
  double slope = 0;  // of leaky_relu and elu, and of a unit of prelu
};

// The kind that is called so by its own name (`leaky_relu`), if there is one.
std::optional<ActivationKind> activation_named(const std::string& name);

// The constants of self-normalising networks: below zero scale·alpha·(eˣ − 1).
constexpr double kSeluAlpha = 1.6732632423543772, kSeluScale = 1.0507009873554805;

// φ(x)
double value(const Activation& activation, double x);
// φ'(x); at a kink or a step what it is on one side, for quadratures never look there.
double derivative(const Activation& activation, double x);

// φ of every element of `count` contiguous rows, in place.
// `slopes`: of prelu, one for each of the `width` columns; else null.
template <class T>
void apply(const Activation& activation, const double* slopes, T* rows, std::size_t count, std::size_t width);

}  // namespace tensim
