#pragma once

#include "activation.h"

namespace tensim {

// φ(m + s z), z ~ N(0, 1).
struct Unit {
  Activation activation;
  double mean, deviation;
};

// E φ(m + s z) ψ(m' + s' z') for correlation rho in [−1, 1] of z and z' (MATH.md section 10); exact at rho = ±1, and
// where a deviation is 0.
double kernel(const Unit& u, const Unit& v, double rho);

}  // namespace tensim
