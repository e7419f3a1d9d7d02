// Products of pairs of bfloat16 numbers, of processors with AVX-512 that have them: the micro-tile of float32, with two
// multiply-adds where that has one.
#include "vector_avx512.h"

namespace tensim {
namespace {

// Factors are pairs, and what is added up are numbers.
struct Avx512Pairs : Avx512F32 {
  static TENSIM_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_dpbf16_ps(c, pairs(a), pairs(b)); }

 private:
  static TENSIM_INLINE __m512bh pairs(Vector v) { return (__m512bh)_mm512_castps_si512(v); }
};

}  // namespace

void avx512_pair_tile(std::size_t depth, const float* a, const float* b, float* c, bool overwrite, const float* ahead) {
  MicroKernel<Avx512Pairs, 6, 4>::tile(depth, a, b, c, overwrite, ahead);
}

}  // namespace tensim
