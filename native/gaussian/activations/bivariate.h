#pragma once

#include <array>
#include <cstddef>

namespace tensim {

// Identities of two normal numbers z, z' with correlation rho (MATH.md section 10), exact at rho = ±1 too.

// ϕ₂(a, b; rho), the density of (z, z'); 0 at rho = ±1, where it has none.
double bivariate_density(double a, double b, double rho);

// P(z > −a, z' > −b) = P(z < a, z' < b), by Owen's T.
double orthant(double a, double b, double rho);

struct TruncatedMoments {
  static constexpr std::size_t kMost = 3;
  // E (z+a)_+^p (z'+b)_+^q
  std::array<std::array<double, kMost + 1>, kMost + 1> of{};
  // E δ(z+a) (z'+b)_+^q and E (z+a)_+^p δ(z'+b)
  std::array<double, kMost + 1> edge{}, other_edge{};
};

// All of them for p, q ≤ most ≤ 3, by Stein's recursion.
TruncatedMoments truncated_moments(double a, double b, double rho, std::size_t most);

}  // namespace tensim
