// NEON (AArch64): 32 registers of 2 doubles. 6 rows × 4 vectors are 24 accumulators, 4 columns and a broadcast.
#include <arm_neon.h>

#include "micro_kernel.h"

namespace tensim {
namespace {

struct NeonF64 {
  using T = double;
  using Vector = float64x2_t;
  static constexpr int kWidth = 2;
  static TENSIM_INLINE Vector zero() { return vdupq_n_f64(0); }
  static TENSIM_INLINE Vector splat(T x) { return vdupq_n_f64(x); }
  static TENSIM_INLINE Vector load(const T* p) { return vld1q_f64(p); }
  static TENSIM_INLINE Vector load_any(const T* p) { return vld1q_f64(p); }
  static TENSIM_INLINE void store(T* p, Vector v) { vst1q_f64(p, v); }
  static TENSIM_INLINE void store_any(T* p, Vector v) { vst1q_f64(p, v); }
  static TENSIM_INLINE Vector load_part(const T* p, std::size_t n) { return load_some<NeonF64>(p, n); }
  static TENSIM_INLINE void store_part(T* p, Vector v, std::size_t n) { store_some<NeonF64>(p, v, n); }
  static TENSIM_INLINE Vector fma(Vector a, Vector b, Vector c) { return vfmaq_f64(c, a, b); }
  static TENSIM_INLINE Vector mul(Vector a, Vector b) { return vmulq_f64(a, b); }
  static TENSIM_INLINE Vector add(Vector a, Vector b) { return vaddq_f64(a, b); }
  static TENSIM_INLINE Vector max(Vector a, Vector b) { return vmaxq_f64(a, b); }
  static TENSIM_INLINE T sum(Vector v) { return vaddvq_f64(v); }
  static TENSIM_INLINE Vector zip_low(Vector a, Vector b) { return vzip1q_f64(a, b); }
  static TENSIM_INLINE Vector zip_high(Vector a, Vector b) { return vzip2q_f64(a, b); }
};

struct NeonF32 {
  using T = float;
  using Vector = float32x4_t;
  using Wide = NeonF64;
  static constexpr int kWidth = 4;
  static TENSIM_INLINE Vector zero() { return vdupq_n_f32(0); }
  static TENSIM_INLINE Vector splat(T x) { return vdupq_n_f32(x); }
  static TENSIM_INLINE Vector load(const T* p) { return vld1q_f32(p); }
  static TENSIM_INLINE Vector load_any(const T* p) { return vld1q_f32(p); }
  static TENSIM_INLINE void store(T* p, Vector v) { vst1q_f32(p, v); }
  static TENSIM_INLINE void store_any(T* p, Vector v) { vst1q_f32(p, v); }
  static TENSIM_INLINE Vector load_part(const T* p, std::size_t n) { return load_some<NeonF32>(p, n); }
  static TENSIM_INLINE void store_part(T* p, Vector v, std::size_t n) { store_some<NeonF32>(p, v, n); }
  static TENSIM_INLINE Vector fma(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
  static TENSIM_INLINE Vector mul(Vector a, Vector b) { return vmulq_f32(a, b); }
  static TENSIM_INLINE Vector add(Vector a, Vector b) { return vaddq_f32(a, b); }
  static TENSIM_INLINE Vector max(Vector a, Vector b) { return vmaxq_f32(a, b); }
  static TENSIM_INLINE Vector zip_low(Vector a, Vector b) { return vzip1q_f32(a, b); }
  static TENSIM_INLINE Vector zip_high(Vector a, Vector b) { return vzip2q_f32(a, b); }
  template <int Half>
  static TENSIM_INLINE float64x2_t widen(Vector v) {
    return Half == 0 ? vcvt_f64_f32(vget_low_f32(v)) : vcvt_high_f64_f32(v);
  }
  static TENSIM_INLINE Vector narrow(float64x2_t low, float64x2_t high) {
    return vcvt_high_f32_f64(vcvt_f32_f64(low), high);
  }
};

}  // namespace

const KernelSet& neon_kernels() {
  static constexpr KernelSet set =
      kernel_set<MicroKernel<NeonF64, 6, 4>, MicroKernel<NeonF32, 6, 4>>(InstructionSet::kNeon);
  return set;
}

}  // namespace tensim
