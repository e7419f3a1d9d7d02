#pragma once

#include "../rounded.h"

#if !defined(__CUDACC__)
#include <cstring>
#endif

namespace tensim::cuda {

// Standard normal numbers from a counter, a pair per thread: the same bits as gemm/normals_kernel.h, which tells the
// method. Every operation is one that IEEE 754 rounds, and none is fused with another.
struct NormalsKernel {
  static constexpr unsigned kThreads = 256;

  struct Arguments {
    std::uint32_t key0, key1;
    std::uint32_t first;  // sample
    std::uint64_t count, dimension;
    double* out;  // (count, dimension)
  };
  struct Shared {};
  struct Registers {};

  static std::uint64_t pairs(std::uint64_t dimension) { return (dimension + 1) / 2; }

  TENSIM_KERNEL static std::uint64_t bits(double x) {
#if defined(__CUDACC__)
    return static_cast<std::uint64_t>(__double_as_longlong(x));
#else
    std::uint64_t result;
    std::memcpy(&result, &x, sizeof result);
    return result;
#endif
  }
  TENSIM_KERNEL static double number(std::uint64_t bits) {
#if defined(__CUDACC__)
    return __longlong_as_double(static_cast<long long>(bits));
#else
    double result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
#endif
  }

  // Threefry-2x32 with 20 rounds.
  TENSIM_KERNEL static void threefry(std::uint32_t key0, std::uint32_t key1, std::uint32_t& x0, std::uint32_t& x1) {
    const std::uint32_t keys[3] = {key0, key1, 0x1bd11bdaU ^ key0 ^ key1};
    constexpr unsigned kRotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
    x0 += key0;
    x1 += key1;
    TENSIM_UNROLL
    for (unsigned group = 0; group < 5; ++group) {
      TENSIM_UNROLL
      for (unsigned round = 0; round < 4; ++round) {
        const unsigned by = kRotations[group % 2][round];
        x0 += x1;
        x1 = ((x1 << by) | (x1 >> (32 - by))) ^ x0;
      }
      x0 += keys[(group + 1) % 3];
      x1 += keys[(group + 2) % 3] + group + 1;
    }
  }

  // Below 2^52, exactly.
  TENSIM_KERNEL static double to_double(std::uint64_t integer) {
    return plus(number(integer | 0x4330000000000000U), -4503599627370496.0);
  }

  // The polynomial with these coefficients, the highest first.
  template <unsigned kTerms>
  TENSIM_KERNEL static double polynomial(const double (&terms)[kTerms], double t) {
    double sum = terms[0];
    TENSIM_UNROLL
    for (unsigned i = 1; i < kTerms; ++i) sum = plus(times(sum, t), terms[i]);
    return sum;
  }

  TENSIM_KERNEL static double logarithm(double u) {
    constexpr std::uint64_t kSqrtHalf = std::uint64_t{0x3fe6a09e} << 32, kOne = std::uint64_t{0x3ff00000} << 32;
    constexpr std::uint64_t kMantissa = (std::uint64_t{1} << 52) - 1;
    constexpr double kTerms[] = {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11,
                                 1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3,  1.0};
    const std::uint64_t shifted = bits(u) + (kOne - kSqrtHalf);
    const double exponent = plus(to_double(shifted >> 52), -1023);
    const double m = number((shifted & kMantissa) + kSqrtHalf);
    const double s = over(plus(m, -1), plus(m, 1)), t = times(s, s);
    return plus(times(exponent, 0.6931471805599453), times(times(2, s), polynomial(kTerms, t)));
  }

  TENSIM_KERNEL static void pair_of(std::uint32_t words0, std::uint32_t words1, double& x, double& y) {
    constexpr double kCosine[] = {1.0 / 20922789888000,
                                  -1.0 / 87178291200,
                                  1.0 / 479001600,
                                  -1.0 / 3628800,
                                  1.0 / 40320,
                                  -1.0 / 720,
                                  1.0 / 24,
                                  -1.0 / 2,
                                  1.0};
    constexpr double kSine[] = {-1.0 / 1307674368000, 1.0 / 6227020800, -1.0 / 39916800, 1.0 / 362880,
                                -1.0 / 5040,          1.0 / 120,        -1.0 / 6,        1.0};
    constexpr double kStep = 2 * 3.141592653589793 / 1048576;
    const std::uint64_t high = words0, low = words1;
    const double u = times(plus(to_double(high << 12 | low >> 20), 0.5), 1.0 / 17592186044416.0);
    const double radius = root(times(-2, logarithm(u)));
    const std::uint64_t turn = low & 0xfffff, quadrant = (turn + 0x20000) >> 18;
    const double angle = times(plus(to_double(turn), -to_double(quadrant << 18)), kStep), square = times(angle, angle);
    const double c = polynomial(kCosine, square), s = times(angle, polynomial(kSine, square));
    const bool swap = (quadrant & 1) != 0;
    // A quadrant only swaps the two and turns their signs, which are bits.
    x = times(radius, number(bits(swap ? s : c) ^ ((quadrant + 1) & 2) << 62));
    y = times(radius, number(bits(swap ? c : s) ^ (quadrant & 2) << 62));
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t half = (arguments.dimension + 1) / 2, at = block.index * kThreads + thread;
      if (at >= arguments.count * half) return;
      const std::uint64_t s = at / half, p = at % half;
      std::uint32_t words0 = static_cast<std::uint32_t>(p), words1 = arguments.first + static_cast<std::uint32_t>(s);
      threefry(arguments.key0, arguments.key1, words0, words1);
      double x, y;
      pair_of(words0, words1, x, y);
      double* const row = arguments.out + s * arguments.dimension;
      row[p] = x;
      // Of an odd number of places the last pair fills only one.
      if (half + p < arguments.dimension) row[half + p] = y;
    });
  }
};

}  // namespace tensim::cuda
