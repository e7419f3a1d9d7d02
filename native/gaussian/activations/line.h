#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "activation.h"

namespace tensim {

// Rules of quadrature for E f(z), z ~ N(0, 1), to rounding.

// A place about which a function changes on a scale; zero for a kink or a step.
struct Feature {
  double at, scale;
};

// What a rule must know of a function.
struct Grain {
  double band = 0;  // its Fourier transform is below rounding beyond this frequency; infinite where it is not smooth
  std::vector<Feature> features;
  double panel = std::numeric_limits<double>::infinity();  // longest of a Gauss rule, where it changes everywhere alike
};

// That of a product.
Grain together(Grain a, const Grain& b);

// E φ(m + s (slope z + spread w)) over w ~ N(0, 1), as a function of z; without a spread φ(m + s slope z) itself.
Grain grain_of(const Activation& activation, double mean, double deviation, double slope = 1, double spread = 0);

// Points and what values there are multiplied by, the density of the normal included: Σ weights f(z) = E f(z).
struct Nodes {
  std::vector<double> z, weights;
};

// |z| ≤ reach. The trapezoidal rule where f is smooth, which converges faster than any power of the step; else a
// composite Gauss–Legendre rule whose panels end at the kinks and become short about the places where f changes.
// `frequency`: of what f is multiplied by.
Nodes nodes_for(const Grain& grain, double reach, double frequency = 0);
// Whether it is the trapezoidal rule, whose points depend on the band and the frequency alone.
bool evenly(const Grain& grain, double frequency = 0);

// How far E f(z) reaches, for f that grow as powers of z.
constexpr double kReach = 10;

}  // namespace tensim
