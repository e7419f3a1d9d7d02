// What the kernels of every instruction set share: the vector types they are written over, and how loops over registers
// are unrolled.
//
// Everything here has internal linkage on purpose. These files are compiled with different -m flags; were a function
// shared between them (an inline function, a standard-library template), the linker would keep one copy of it, perhaps
// the one with AVX-512 in it, for processors that have none. For the same reason nothing from the standard library is
// called here.
//
// A vector type `V` provides
//
//   T, Vector, kWidth                      the element, the register, and how many elements it has
//   zero(), splat(x)                       registers of one value
//   load(p), store(p, v)                   p on a vector
//   load_any(p), store_any(p, v)           p anywhere
//   load_part(p, n), store_part(p, v, n)   the first n lanes, others zero or left as they are
//   fma(a, b, c) = a·b + c, mul, add, max  lane by lane
//   sum(v)                                 of all lanes
//   zip_low(a, b), zip_high(a, b)          a₀ b₀ a₁ b₁ … of the lower and of the upper halves
//
// and for T = float `Wide`, the double vector of half as many lanes, widen<half>(v), and narrow(low, high), which
// rounds both.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/assert.h"
#include "kernels.h"

// TENSIM_FETCH(p): the cache line of p is wanted in the second cache before long.
#if defined(_MSC_VER) && !defined(__clang__)
#define TENSIM_INLINE __forceinline
#define TENSIM_LAMBDA
#define TENSIM_UNROLL(n)
#if defined(_M_X64)
#define TENSIM_FETCH(p) _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1)
#else
#define TENSIM_FETCH(p) static_cast<void>(p)
#endif
#else
#define TENSIM_FETCH(p) __builtin_prefetch(p, 0, 2)
#define TENSIM_INLINE inline __attribute__((always_inline))
#define TENSIM_LAMBDA __attribute__((always_inline))
#define TENSIM_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define TENSIM_UNROLL(n) TENSIM_PRAGMA(unroll n)
#else
#define TENSIM_UNROLL(n) TENSIM_PRAGMA(GCC unroll n)
#endif
#endif

namespace tensim {
namespace {

// Calls f with the constants 0 … N−1. A plain loop would leave it to the optimiser whether an array of accumulators
// stays in registers; with constant indices it always does.
template <int I>
struct Constant {
  static constexpr int value = I;
  constexpr operator int() const { return I; }
};
template <int N, int I = 0, class F>
TENSIM_INLINE void unroll(const F& f) {
  if constexpr (I < N) {
    f(Constant<I>{});
    unroll<N, I + 1>(f);
  }
}

// Whether a vector can be loaded from there, by `load`.
template <class V>
TENSIM_INLINE bool on_vector(const typename V::T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % sizeof(typename V::Vector) == 0;
}

// The double vector that sums are kept in.
template <class V, class T = typename V::T>
struct WideOf {
  using type = typename V::Wide;
};
template <class V>
struct WideOf<V, double> {
  using type = V;
};

// Parts of a vector by way of a small buffer, for instruction sets without masked moves.
template <class V>
TENSIM_INLINE typename V::Vector load_some(const typename V::T* p, std::size_t n) {
  alignas(64) typename V::T lanes[V::kWidth] = {};
  for (std::size_t i = 0; i < n; ++i) lanes[i] = p[i];
  return V::load(lanes);
}
template <class V>
TENSIM_INLINE void store_some(typename V::T* p, typename V::Vector v, std::size_t n) {
  alignas(64) typename V::T lanes[V::kWidth];
  V::store(lanes, v);
  for (std::size_t i = 0; i < n; ++i) p[i] = lanes[i];
}

}  // namespace
}  // namespace tensim
