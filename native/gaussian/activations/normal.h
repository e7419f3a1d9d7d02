#pragma once

#include <cmath>

namespace tensim {

constexpr double kPi = 3.14159265358979323846;

// ϕ(x) = e^(−x²/2) / √(2π)
inline double normal_density(double x) {
  return std::exp(-0.5 * x * x) * 0.39894228040143267794;
}

// Φ(x) = P(z < x), with all its digits far below zero.
inline double normal_distribution(double x) {
  return 0.5 * std::erfc(-x * 0.70710678118654752440);
}

// Φ(−x) / ϕ(x) for x ≥ 0, however far out: from 5 on by its continued fraction, which has converged there.
inline double mills_ratio(double x) {
  if (x < 5) return normal_distribution(-x) / normal_density(x);
  double below = x;
  for (int k = 60; k >= 1; --k) below = x + k / below;
  return 1 / below;
}

}  // namespace tensim
