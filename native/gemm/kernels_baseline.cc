// The kernels for any machine: SSE2 on x64, where every processor has it, and plain C++ elsewhere. Two roundings per
// multiply-add.
#include "micro_kernel.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <emmintrin.h>
#define TENSIM_SSE2 1
#endif

namespace tensim {
namespace {

#if defined(TENSIM_SSE2)

// 16 registers of 2 doubles: 4 rows × 2 vectors are 8 accumulators, 2 columns, a broadcast and a product.
struct BaselineF64 {
  using T = double;
  using Vector = __m128d;
  static constexpr int kWidth = 2;
  static TENSIM_INLINE Vector zero() { return _mm_setzero_pd(); }
  static TENSIM_INLINE Vector splat(T x) { return _mm_set1_pd(x); }
  static TENSIM_INLINE Vector load(const T* p) { return _mm_load_pd(p); }
  static TENSIM_INLINE Vector load_any(const T* p) { return _mm_loadu_pd(p); }
  static TENSIM_INLINE void store(T* p, Vector v) { _mm_store_pd(p, v); }
  static TENSIM_INLINE void store_any(T* p, Vector v) { _mm_storeu_pd(p, v); }
  static TENSIM_INLINE Vector load_part(const T* p, std::size_t n) { return load_some<BaselineF64>(p, n); }
  static TENSIM_INLINE void store_part(T* p, Vector v, std::size_t n) { store_some<BaselineF64>(p, v, n); }
  static TENSIM_INLINE Vector mul(Vector a, Vector b) { return _mm_mul_pd(a, b); }
  static TENSIM_INLINE Vector add(Vector a, Vector b) { return _mm_add_pd(a, b); }
  static TENSIM_INLINE Vector max(Vector a, Vector b) { return _mm_max_pd(a, b); }
  static TENSIM_INLINE Vector fma(Vector a, Vector b, Vector c) { return add(mul(a, b), c); }
  static TENSIM_INLINE T sum(Vector v) { return _mm_cvtsd_f64(v) + _mm_cvtsd_f64(_mm_unpackhi_pd(v, v)); }
  static TENSIM_INLINE Vector zip_low(Vector a, Vector b) { return _mm_unpacklo_pd(a, b); }
  static TENSIM_INLINE Vector zip_high(Vector a, Vector b) { return _mm_unpackhi_pd(a, b); }
};

struct BaselineF32 {
  using T = float;
  using Vector = __m128;
  using Wide = BaselineF64;
  static constexpr int kWidth = 4;
  static TENSIM_INLINE Vector zero() { return _mm_setzero_ps(); }
  static TENSIM_INLINE Vector splat(T x) { return _mm_set1_ps(x); }
  static TENSIM_INLINE Vector load(const T* p) { return _mm_load_ps(p); }
  static TENSIM_INLINE Vector load_any(const T* p) { return _mm_loadu_ps(p); }
  static TENSIM_INLINE void store(T* p, Vector v) { _mm_store_ps(p, v); }
  static TENSIM_INLINE void store_any(T* p, Vector v) { _mm_storeu_ps(p, v); }
  static TENSIM_INLINE Vector load_part(const T* p, std::size_t n) { return load_some<BaselineF32>(p, n); }
  static TENSIM_INLINE void store_part(T* p, Vector v, std::size_t n) { store_some<BaselineF32>(p, v, n); }
  static TENSIM_INLINE Vector mul(Vector a, Vector b) { return _mm_mul_ps(a, b); }
  static TENSIM_INLINE Vector add(Vector a, Vector b) { return _mm_add_ps(a, b); }
  static TENSIM_INLINE Vector max(Vector a, Vector b) { return _mm_max_ps(a, b); }
  static TENSIM_INLINE Vector zip_low(Vector a, Vector b) { return _mm_unpacklo_ps(a, b); }
  static TENSIM_INLINE Vector zip_high(Vector a, Vector b) { return _mm_unpackhi_ps(a, b); }
  static TENSIM_INLINE Vector fma(Vector a, Vector b, Vector c) { return add(mul(a, b), c); }
  template <int Half>
  static TENSIM_INLINE __m128d widen(Vector v) {
    return _mm_cvtps_pd(Half == 0 ? v : _mm_movehl_ps(v, v));
  }
  static TENSIM_INLINE Vector narrow(__m128d low, __m128d high) {
    return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
  }
};

#else

template <class Element>
struct Scalar {
  using T = Element;
  using Vector = Element;
  using Wide = Scalar<double>;
  static constexpr int kWidth = 1;
  static TENSIM_INLINE Vector zero() { return 0; }
  static TENSIM_INLINE Vector splat(T x) { return x; }
  static TENSIM_INLINE Vector load(const T* p) { return *p; }
  static TENSIM_INLINE Vector load_any(const T* p) { return *p; }
  static TENSIM_INLINE void store(T* p, Vector v) { *p = v; }
  static TENSIM_INLINE void store_any(T* p, Vector v) { *p = v; }
  static TENSIM_INLINE Vector load_part(const T* p, std::size_t) { return *p; }  // a vector of one lane has no parts
  static TENSIM_INLINE void store_part(T* p, Vector v, std::size_t) { *p = v; }
  static TENSIM_INLINE Vector mul(Vector a, Vector b) { return a * b; }
  static TENSIM_INLINE Vector add(Vector a, Vector b) { return a + b; }
  static TENSIM_INLINE Vector max(Vector a, Vector b) { return a > b ? a : b; }
  static TENSIM_INLINE Vector fma(Vector a, Vector b, Vector c) { return a * b + c; }
  static TENSIM_INLINE T sum(Vector v) { return v; }
  static TENSIM_INLINE Vector zip_low(Vector a, Vector) { return a; }  // never asked for: there is nothing to transpose
  static TENSIM_INLINE Vector zip_high(Vector, Vector b) { return b; }
  template <int>
  static TENSIM_INLINE double widen(Vector v) {
    return v;
  }
};
using BaselineF64 = Scalar<double>;
using BaselineF32 = Scalar<float>;

#endif

}  // namespace

const KernelSet& baseline_kernels() {
  static constexpr KernelSet set =
      kernel_set<MicroKernel<BaselineF64, 4, 2>, MicroKernel<BaselineF32, 4, 2>>(InstructionSet::kBaseline);
  return set;
}

}  // namespace tensim
