// Standard normal numbers from a counter. See gemm/kernels.h, and lib/fallback/gaussian/normals.ts, which gives the
// same numbers to the bit: only operations that IEEE 754 rounds correctly, in the same order, and never fused
// (-ffp-contract=off).
#pragma once

#include <math.h>
#include <string.h>

#include <cstdint>

#include "vector.h"

namespace tensim {
namespace {

struct NormalsKernel {
  // Pairs side by side. The compiler makes vectors of the loops over them, as long as it does not unroll them first.
  static constexpr int kLanes = 16;

  template <class To, class From>
  static TENSIM_INLINE To bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    memcpy(&to, &from, sizeof(to));
    return to;
  }

  // Threefry-2x32 with 20 rounds.
  static TENSIM_INLINE void threefry(std::uint32_t key0, std::uint32_t key1, std::uint32_t (&x0)[kLanes],
                                     std::uint32_t (&x1)[kLanes]) {
    const std::uint32_t keys[3] = {key0, key1, 0x1bd11bdaU ^ key0 ^ key1};
    constexpr int kRotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
    TENSIM_UNROLL(1)
    for (int i = 0; i < kLanes; ++i) {
      x0[i] += key0;
      x1[i] += key1;
    }
    unroll<5>([&](auto group) TENSIM_LAMBDA {
      unroll<4>([&](auto round) TENSIM_LAMBDA {
        constexpr int by = kRotations[decltype(group)::value & 1][decltype(round)::value];
        TENSIM_UNROLL(1)
        for (int i = 0; i < kLanes; ++i) {
          x0[i] += x1[i];
          x1[i] = ((x1[i] << by) | (x1[i] >> (32 - by))) ^ x0[i];
        }
      });
      constexpr std::uint32_t injection = decltype(group)::value + 1;
      const std::uint32_t to0 = keys[injection % 3], to1 = keys[(injection + 1) % 3] + injection;
      TENSIM_UNROLL(1)
      for (int i = 0; i < kLanes; ++i) {
        x0[i] += to0;
        x1[i] += to1;
      }
    });
  }

  // Below 2^52, exactly.
  static TENSIM_INLINE double to_double(std::uint64_t integer) {
    return bits<double>(integer | 0x4330000000000000U) - 4503599627370496.0;
  }

  // ln u = e ln 2 + 2 artanh((m − 1) / (m + 1)) for u = m 2^e, m from [√½, √2).
  static TENSIM_INLINE double logarithm(double u) {
    constexpr std::uint64_t kSqrtHalf = std::uint64_t{0x3fe6a09e} << 32, kOne = std::uint64_t{0x3ff00000} << 32;
    constexpr std::uint64_t kMantissa = (std::uint64_t{1} << 52) - 1;
    const std::uint64_t shifted = bits<std::uint64_t>(u) + (kOne - kSqrtHalf);
    const double exponent = to_double(shifted >> 52) - 1023;
    const double m = bits<double>((shifted & kMantissa) + kSqrtHalf);
    const double s = (m - 1) / (m + 1), t = s * s;
    double sum = 1.0 / 21;
    sum = sum * t + 1.0 / 19;
    sum = sum * t + 1.0 / 17;
    sum = sum * t + 1.0 / 15;
    sum = sum * t + 1.0 / 13;
    sum = sum * t + 1.0 / 11;
    sum = sum * t + 1.0 / 9;
    sum = sum * t + 1.0 / 7;
    sum = sum * t + 1.0 / 5;
    sum = sum * t + 1.0 / 3;
    sum = sum * t + 1.0;
    return exponent * 0.6931471805599453 + 2 * s * sum;
  }

  // cos φ for |φ| ≤ π/4 from φ².
  static TENSIM_INLINE double cosine(double t) {
    double sum = 1.0 / 20922789888000;
    sum = sum * t - 1.0 / 87178291200;
    sum = sum * t + 1.0 / 479001600;
    sum = sum * t - 1.0 / 3628800;
    sum = sum * t + 1.0 / 40320;
    sum = sum * t - 1.0 / 720;
    sum = sum * t + 1.0 / 24;
    sum = sum * t - 1.0 / 2;
    return sum * t + 1.0;
  }

  // sin φ / φ, likewise.
  static TENSIM_INLINE double sine_over_angle(double t) {
    double sum = -1.0 / 1307674368000;
    sum = sum * t + 1.0 / 6227020800;
    sum = sum * t - 1.0 / 39916800;
    sum = sum * t + 1.0 / 362880;
    sum = sum * t - 1.0 / 5040;
    sum = sum * t + 1.0 / 120;
    sum = sum * t - 1.0 / 6;
    return sum * t + 1.0;
  }

  static TENSIM_INLINE void block(std::uint32_t first, std::uint32_t sample, std::uint32_t key0, std::uint32_t key1,
                                  double (&x)[kLanes], double (&y)[kLanes]) {
    std::uint32_t words0[kLanes], words1[kLanes];
    TENSIM_UNROLL(1)
    for (int i = 0; i < kLanes; ++i) {
      words0[i] = first + static_cast<std::uint32_t>(i);
      words1[i] = sample;
    }
    threefry(key0, key1, words0, words1);
    for (int i = 0; i < kLanes; ++i) {
      const std::uint64_t high = words0[i], low = words1[i];
      const double radius = sqrt(-2 * logarithm((to_double(high << 12 | low >> 20) + 0.5) * (1.0 / 17592186044416.0)));
      const std::uint64_t turn = low & 0xfffff, quadrant = (turn + 0x20000) >> 18;
      constexpr double kStep = 2 * 3.141592653589793 / 1048576;
      const double angle = (to_double(turn) - to_double(quadrant << 18)) * kStep, square = angle * angle;
      const double c = cosine(square), s = angle * sine_over_angle(square);
      const bool swap = (quadrant & 1) != 0;
      // A quadrant only swaps the two and turns their signs, which are bits.
      const double a = swap ? s : c, b = swap ? c : s;
      x[i] = radius * bits<double>(bits<std::uint64_t>(a) ^ ((quadrant + 1) & 2) << 62);
      y[i] = radius * bits<double>(bits<std::uint64_t>(b) ^ (quadrant & 2) << 62);
    }
  }

  static void run(std::size_t count, std::uint32_t sample, std::uint32_t key0, std::uint32_t key1, double* x,
                  double* y) {
    TENSIM_ASSERT(count <= UINT32_MAX && (count == 0 || (x != nullptr && y != nullptr)));
    double some_x[kLanes], some_y[kLanes];
    for (std::size_t p = 0; p < count; p += kLanes) {
      block(static_cast<std::uint32_t>(p), sample, key0, key1, some_x, some_y);
      const std::size_t n = count - p < kLanes ? count - p : kLanes;
      for (std::size_t i = 0; i < n; ++i) x[p + i] = some_x[i];
      for (std::size_t i = 0; i < n; ++i) y[p + i] = some_y[i];
    }
  }
};

}  // namespace
}  // namespace tensim
