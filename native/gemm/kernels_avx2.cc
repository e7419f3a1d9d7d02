// AVX2 and FMA: 16 registers of 4 doubles. 6 rows × 2 vectors are 12 accumulators, 2 columns and a broadcast.
#include <immintrin.h>

#include "micro_kernel.h"

namespace tensim {
namespace {

struct Avx2F64 {
  using T = double;
  using Vector = __m256d;
  static constexpr int kWidth = 4;
  static TENSIM_INLINE Vector zero() { return _mm256_setzero_pd(); }
  static TENSIM_INLINE Vector splat(T x) { return _mm256_set1_pd(x); }
  static TENSIM_INLINE Vector load(const T* p) { return _mm256_load_pd(p); }
  static TENSIM_INLINE Vector load_any(const T* p) { return _mm256_loadu_pd(p); }
  static TENSIM_INLINE void store(T* p, Vector v) { _mm256_store_pd(p, v); }
  static TENSIM_INLINE void store_any(T* p, Vector v) { _mm256_storeu_pd(p, v); }
  static TENSIM_INLINE Vector load_part(const T* p, std::size_t n) { return load_some<Avx2F64>(p, n); }
  static TENSIM_INLINE void store_part(T* p, Vector v, std::size_t n) { store_some<Avx2F64>(p, v, n); }
  static TENSIM_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_pd(a, b, c); }
  static TENSIM_INLINE Vector mul(Vector a, Vector b) { return _mm256_mul_pd(a, b); }
  static TENSIM_INLINE Vector add(Vector a, Vector b) { return _mm256_add_pd(a, b); }
  static TENSIM_INLINE Vector max(Vector a, Vector b) { return _mm256_max_pd(a, b); }
  static TENSIM_INLINE T sum(Vector v) {
    alignas(32) T t[4];
    _mm256_store_pd(t, v);
    return (t[0] + t[1]) + (t[2] + t[3]);
  }
  static TENSIM_INLINE Vector zip_low(Vector a, Vector b) {
    return _mm256_permute2f128_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b), 0x20);
  }
  static TENSIM_INLINE Vector zip_high(Vector a, Vector b) {
    return _mm256_permute2f128_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b), 0x31);
  }
};

struct Avx2F32 {
  using T = float;
  using Vector = __m256;
  using Wide = Avx2F64;
  static constexpr int kWidth = 8;
  static TENSIM_INLINE Vector zero() { return _mm256_setzero_ps(); }
  static TENSIM_INLINE Vector splat(T x) { return _mm256_set1_ps(x); }
  static TENSIM_INLINE Vector load(const T* p) { return _mm256_load_ps(p); }
  static TENSIM_INLINE Vector load_any(const T* p) { return _mm256_loadu_ps(p); }
  static TENSIM_INLINE void store(T* p, Vector v) { _mm256_store_ps(p, v); }
  static TENSIM_INLINE void store_any(T* p, Vector v) { _mm256_storeu_ps(p, v); }
  static TENSIM_INLINE Vector load_part(const T* p, std::size_t n) { return load_some<Avx2F32>(p, n); }
  static TENSIM_INLINE void store_part(T* p, Vector v, std::size_t n) { store_some<Avx2F32>(p, v, n); }
  static TENSIM_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  static TENSIM_INLINE Vector mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static TENSIM_INLINE Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static TENSIM_INLINE Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
  static TENSIM_INLINE Vector zip_low(Vector a, Vector b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
  }
  static TENSIM_INLINE Vector zip_high(Vector a, Vector b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
  }
  template <int Half>
  static TENSIM_INLINE __m256d widen(Vector v) {
    return _mm256_cvtps_pd(_mm256_extractf128_ps(v, Half));
  }
  static TENSIM_INLINE Vector narrow(__m256d low, __m256d high) {
    return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
  }
};

}  // namespace

const KernelSet& avx2_kernels() {
  static constexpr KernelSet set =
      kernel_set<MicroKernel<Avx2F64, 6, 2>, MicroKernel<Avx2F32, 6, 2>>(InstructionSet::kAvx2);
  return set;
}

}  // namespace tensim
