#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#if !defined(__CUDACC__)
#include <cstring>
#include <type_traits>
#endif

namespace tensim::cuda {

#if defined(__CUDACC__)
#define TENSIM_KERNEL __device__ __forceinline__
#define TENSIM_BOTH __host__ __device__
#define TENSIM_UNROLL _Pragma("unroll")
#else
#define TENSIM_KERNEL inline
#define TENSIM_BOTH
#define TENSIM_UNROLL
#endif

constexpr unsigned kWarp = 32;

// Products of small matrices by a warp, c += a·b with a (16, 8), b (8, 8) and c (16, 8). Of each matrix a lane holds a
// fragment, by the places that the tensor cores know; g = lane / 4, t = lane % 4:
//
//   a[0] (g, t)      a[1] (g + 8, t)      a[2] (g, t + 4)        a[3] (g + 8, t + 4)
//   b[0] (t, g)      b[1] (t + 4, g)
//   c[0] (g, 2t)     c[1] (g, 2t + 1)     c[2] (g + 8, 2t)       c[3] (g + 8, 2t + 1)
//
// Doubles are multiplied as they are. Of floats the tensor cores read 11 bits of the significand: they are to be split
// first, or rounded.
template <class T>
struct Fragments {
  T* c;
  const T *a, *b;
};

TENSIM_KERNEL std::uint32_t bits_of(float x) {
#if defined(__CUDACC__)
  return __float_as_uint(x);
#else
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
#endif
}

TENSIM_KERNEL float float_of(std::uint32_t bits) {
#if defined(__CUDACC__)
  return __uint_as_float(bits);
#else
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
#endif
}

// The 11 bits that tensor cores read of a float; they ignore the others.
TENSIM_KERNEL float read_by_tensor_cores(float x) {
  return float_of(bits_of(x) & ~std::uint32_t{0x1fff});
}

// x to 11 bits, to the nearest.
TENSIM_KERNEL float shortened(float x) {
  return read_by_tensor_cores(float_of(bits_of(x) + 0x1000));
}

// What tensor cores are to read as x to 11 bits, to the nearest (as cvt.rna.tf32 does), where no second part puts right
// what is no number.
TENSIM_KERNEL float rounded(float x) {
  return std::fabs(x) < INFINITY ? float_of(bits_of(x) + 0x1000) : x;
}

// An element of a fragment: a double as it is, a float in two parts that tensor cores read whole, or rounded.
template <class T, unsigned kParts, unsigned kTiles, unsigned kElements>
TENSIM_KERNEL void put_fragment(T x, T (&parts)[kParts][kTiles][kElements], unsigned tile, unsigned n) {
  if constexpr (kParts == 2) {
    parts[0][tile][n] = shortened(x);
    parts[1][tile][n] = x - parts[0][tile][n];
  } else if constexpr (sizeof(T) < sizeof(double)) {
    parts[0][tile][n] = rounded(x);
  } else {
    parts[0][tile][n] = x;
  }
}

#if defined(__CUDACC__)

TENSIM_KERNEL void multiply_fragments(double* c, const double* a, const double* b) {
#if __CUDA_ARCH__ >= 900
  asm("mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+d"(c[0]), "+d"(c[1]), "+d"(c[2]), "+d"(c[3])
      : "d"(a[0]), "d"(a[1]), "d"(a[2]), "d"(a[3]), "d"(b[0]), "d"(b[1]));
#else
  TENSIM_UNROLL
  for (unsigned n = 0; n < 4; ++n) {
    asm("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
        : "+d"(c[n % 2 * 2]), "+d"(c[n % 2 * 2 + 1])
        : "d"(a[n]), "d"(b[n / 2]));
  }
#endif
}

TENSIM_KERNEL void multiply_fragments(float* c, const float* a, const float* b) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(bits_of(a[0])), "r"(bits_of(a[1])), "r"(bits_of(a[2])), "r"(bits_of(a[3])), "r"(bits_of(b[0])),
        "r"(bits_of(b[1])));
}

#else

inline double read_by_tensor_cores(double x) {
  return x;
}

// The fragments of a warp by lane. In which order a GPU adds up is its own affair, but it is the same for every
// element.
template <class Select>
void multiply_fragments(const Select& select) {
  using T = std::remove_reference_t<decltype(*select(0).c)>;
  T a[16][8], b[8][8];
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    const auto own = select(lane);
    for (unsigned n = 0; n < 4; ++n) a[lane / 4 + n % 2 * 8][lane % 4 + n / 2 * 4] = read_by_tensor_cores(own.a[n]);
    for (unsigned n = 0; n < 2; ++n) b[lane % 4 + n * 4][lane / 4] = read_by_tensor_cores(own.b[n]);
  }
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    const auto own = select(lane);
    for (unsigned n = 0; n < 4; ++n) {
      const unsigned row = lane / 4 + n / 2 * 8, column = lane % 4 * 2 + n % 2;
      for (unsigned k = 0; k < 8; ++k) own.c[n] += a[row][k] * b[k][column];
    }
  }
}

#endif

}  // namespace tensim::cuda
