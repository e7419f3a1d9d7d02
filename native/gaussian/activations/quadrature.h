#pragma once

#include <array>
#include <cmath>
#include <cstddef>

#include "normal.h"

namespace tensim {

// Nodes in (−1, 1) and weights of Gauss–Legendre quadrature with N points: the roots of the Legendre polynomial by
// Newton's method from Tricomi's approximation.
template <std::size_t N>
struct LegendreRule {
  std::array<double, N> nodes{}, weights{};

  LegendreRule() {
    for (std::size_t i = 0; i < N; ++i) {
      double x = -std::cos(kPi * (static_cast<double>(i) + 0.75) / (static_cast<double>(N) + 0.5)), slope = 0;
      // From there Newton's method has converged after four steps; more change nothing.
      for (int step = 0; step < 6; ++step) {
        double before = 1, value = x;
        for (std::size_t k = 1; k < N; ++k) {
          const auto order = static_cast<double>(k);
          const double next = ((2 * order + 1) * x * value - order * before) / (order + 1);
          before = value;
          value = next;
        }
        slope = static_cast<double>(N) * (before - x * value) / ((1 - x) * (1 + x));
        x -= value / slope;
      }
      nodes[i] = x;
      weights[i] = 2 / ((1 - x) * (1 + x) * slope * slope);
    }
  }
};

// Made once.
template <std::size_t N>
const LegendreRule<N>& legendre_rule() {
  static const LegendreRule<N> rule;
  return rule;
}

}  // namespace tensim
