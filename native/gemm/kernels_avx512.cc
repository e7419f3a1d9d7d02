// AVX-512: 32 registers of 8 doubles. 6 rows × 4 vectors are 24 accumulators, 4 columns and a broadcast: 10 loads feed
// 24 multiply-adds.
#include "vector_avx512.h"

namespace tensim {

const KernelSet& avx512_kernels() {
  static constexpr KernelSet set =
      kernel_set<MicroKernel<Avx512F64, 6, 4>, MicroKernel<Avx512F32, 6, 4>>(InstructionSet::kAvx512);
  return set;
}

}  // namespace tensim
