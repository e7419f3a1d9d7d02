// Factors of low-rank matrices as panels that micro-kernels read (gemm/kernels.h), decoded on the way.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../core/context.h"
#include "low_rank.h"

namespace tensim {

// Numbers of 16 bits as they are stored.
struct Float16 {
  std::uint16_t bits;
};
struct BFloat16 {
  std::uint16_t bits;
};

inline float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline double decoded(double x) {
  return x;
}
inline float decoded(float x) {
  return x;
}
inline float decoded(BFloat16 x) {
  return float_of(static_cast<std::uint32_t>(x.bits) << 16);
}
// Exponent and fraction moved to their places are a number 2^112 times too small, subnormal or not.
inline float decoded(Float16 x) {
  const std::uint32_t bits = x.bits;
  const std::uint32_t size = bits_of(float_of((bits & 0x7fffu) << 13) * 0x1p112f);
  const std::uint32_t beyond = (bits & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  return float_of(size | beyond | (bits & 0x8000u) << 16);
}

// Calls f with the factors' numbers, as a pointer to their type.
template <class F>
void visit(const StoredFactors& factors, const F& f) {
  switch (factors.format) {
    case NumberFormat::kFloat64:
      return f(static_cast<const double*>(factors.data));
    case NumberFormat::kFloat32:
      return f(static_cast<const float*>(factors.data));
    case NumberFormat::kFloat16:
      return f(static_cast<const Float16*>(factors.data));
    case NumberFormat::kBFloat16:
      return f(static_cast<const BFloat16*>(factors.data));
  }
}

// What a step of a panel holds of a row: a number.
template <class Element>
struct Numbers {
  using T = Element;
  static constexpr std::size_t kDepth = 1;
  template <class S>
  static T word(S first, S, T factor) {
    if constexpr (sizeof(S) > sizeof(T))
      return static_cast<T>(decoded(first) * static_cast<S>(factor));
    else
      return static_cast<T>(decoded(first)) * factor;
  }
};

// Two numbers of 16 bits, in the place of one of 32. Times a power of two they keep their digits.
struct Pairs {
  using T = float;
  static constexpr std::size_t kDepth = 2;
  static T word(BFloat16 first, BFloat16 second, float factor) {
    return float_of((bits_of(decoded(first) * factor) >> 16) | (bits_of(decoded(second) * factor) & 0xffff0000u));
  }
};

template <class Step>
constexpr std::size_t steps_of(const StoredFactors& factors) {
  return (factors.depth + Step::kDepth - 1) / Step::kDepth;
}

// Packs `lanes` ≤ width rows from `row` on, counted through all matrices: panel[s·width + lane] is step s of row
// row + lane, times its factor; zero beyond the lanes and beyond the depth.
template <class Step>
void pack_rows_of(const StoredFactors& factors, std::size_t rank, const typename Step::T* scales, std::size_t row,
                  std::size_t lanes, std::size_t width, typename Step::T* panel);

// The exponents e of rows: the largest |x| of each lies in [2^(e−1), 2^e). 0 where all are zero or one is no number.
std::vector<int> exponents_of(const Context& context, const StoredFactors& factors, std::size_t count,
                              std::size_t rank);

}  // namespace tensim
