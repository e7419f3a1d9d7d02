// The vectors of AVX-512, of the files that are compiled for it.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
// GCC's own header initialises "undefined" vectors with themselves and then warns of it (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "micro_kernel.h"

namespace tensim {
namespace {

struct Avx512F64 {
  using T = double;
  using Vector = __m512d;
  static constexpr int kWidth = 8;
  static TENSIM_INLINE Vector zero() { return _mm512_setzero_pd(); }
  static TENSIM_INLINE Vector splat(T x) { return _mm512_set1_pd(x); }
  static TENSIM_INLINE Vector load(const T* p) { return _mm512_load_pd(p); }
  static TENSIM_INLINE Vector load_any(const T* p) { return _mm512_loadu_pd(p); }
  static TENSIM_INLINE void store(T* p, Vector v) { _mm512_store_pd(p, v); }
  static TENSIM_INLINE void store_any(T* p, Vector v) { _mm512_storeu_pd(p, v); }
  static TENSIM_INLINE __mmask8 part(std::size_t n) { return static_cast<__mmask8>((1u << n) - 1); }
  static TENSIM_INLINE Vector load_part(const T* p, std::size_t n) { return _mm512_maskz_loadu_pd(part(n), p); }
  static TENSIM_INLINE void store_part(T* p, Vector v, std::size_t n) { _mm512_mask_storeu_pd(p, part(n), v); }
  static TENSIM_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_pd(a, b, c); }
  static TENSIM_INLINE Vector mul(Vector a, Vector b) { return _mm512_mul_pd(a, b); }
  static TENSIM_INLINE Vector add(Vector a, Vector b) { return _mm512_add_pd(a, b); }
  static TENSIM_INLINE Vector max(Vector a, Vector b) { return _mm512_max_pd(a, b); }
  static TENSIM_INLINE T sum(Vector v) { return _mm512_reduce_add_pd(v); }
  static TENSIM_INLINE Vector zip_low(Vector a, Vector b) {
    return _mm512_permutex2var_pd(a, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), b);
  }
  static TENSIM_INLINE Vector zip_high(Vector a, Vector b) {
    return _mm512_permutex2var_pd(a, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), b);
  }
};

struct Avx512F32 {
  using T = float;
  using Vector = __m512;
  using Wide = Avx512F64;
  static constexpr int kWidth = 16;
  static TENSIM_INLINE Vector zero() { return _mm512_setzero_ps(); }
  static TENSIM_INLINE Vector splat(T x) { return _mm512_set1_ps(x); }
  static TENSIM_INLINE Vector load(const T* p) { return _mm512_load_ps(p); }
  static TENSIM_INLINE Vector load_any(const T* p) { return _mm512_loadu_ps(p); }
  static TENSIM_INLINE void store(T* p, Vector v) { _mm512_store_ps(p, v); }
  static TENSIM_INLINE void store_any(T* p, Vector v) { _mm512_storeu_ps(p, v); }
  static TENSIM_INLINE __mmask16 part(std::size_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static TENSIM_INLINE Vector load_part(const T* p, std::size_t n) { return _mm512_maskz_loadu_ps(part(n), p); }
  static TENSIM_INLINE void store_part(T* p, Vector v, std::size_t n) { _mm512_mask_storeu_ps(p, part(n), v); }
  static TENSIM_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  static TENSIM_INLINE Vector mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static TENSIM_INLINE Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static TENSIM_INLINE Vector max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
  static TENSIM_INLINE Vector zip_low(Vector a, Vector b) {
    return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), b);
  }
  static TENSIM_INLINE Vector zip_high(Vector a, Vector b) {
    return _mm512_permutex2var_ps(a, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
                                  b);
  }
  template <int Half>
  static TENSIM_INLINE __m512d widen(Vector v) {
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, Half));
  }
  static TENSIM_INLINE Vector narrow(__m512d low, __m512d high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
  }
};

}  // namespace
}  // namespace tensim
