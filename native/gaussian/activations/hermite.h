#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace tensim {

// Beyond this e^(−z²/2) h_n(z) is nothing.
constexpr double kFarthest = 38;

// The recurrence h_{n+1} = rise·z·h_n − fall·h_{n−1} of the orthonormal Hermite polynomials h_n = He_n/√n!. The
// functions h_n(z) e^(−z²/4) obey it too; they are below about 1, and stable upwards, for |z| ≤ kFarthest.
inline double hermite_rise(std::size_t n) {
  return 1 / std::sqrt(static_cast<double>(n + 1));
}
inline double hermite_fall(std::size_t n) {
  return std::sqrt(static_cast<double>(n) / static_cast<double>(n + 1));
}

// h_n(z) e^(−z²/4) for n = 0, 1 …
class HermiteFunctions {
 public:
  explicit HermiteFunctions(double z) : z_(z), value_(std::exp(-0.25 * z * z)) {}
  double next() {
    const double found = value_;
    value_ = hermite_rise(n_) * z_ * value_ - hermite_fall(n_) * before_;
    before_ = found;
    ++n_;
    return found;
  }

 private:
  double z_, value_, before_ = 0;
  std::size_t n_ = 0;
};

// Adds Σ_p values[p] h_n(z_p) e^(−z_p²/4) to row[n], n ≤ terms.
inline void add_points(const std::vector<double>& z, const std::vector<double>& values, std::size_t terms,
                       double* row) {
  const std::size_t count = z.size();
  std::vector<double> now(count), before(count, 0.0);
  for (std::size_t p = 0; p < count; ++p) now[p] = std::exp(-0.25 * z[p] * z[p]);
  for (std::size_t n = 0; n <= terms; ++n) {
    const double rise = hermite_rise(n), fall = hermite_fall(n);
    double sums[4] = {};
    for (std::size_t p = 0; p < count; ++p) {
      sums[p % 4] += values[p] * now[p];
      before[p] = rise * z[p] * now[p] - fall * before[p];
    }
    row[n] += (sums[0] + sums[1]) + (sums[2] + sums[3]);
    now.swap(before);
  }
}

}  // namespace tensim
