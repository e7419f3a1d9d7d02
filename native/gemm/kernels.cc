#include "kernels.h"

namespace tensim {

const KernelSet& kernels_for(InstructionSet set) {
  switch (set) {
#if defined(TENSIM_HAVE_AVX512)
    case InstructionSet::kAvx512:
      return avx512_kernels();
#endif
#if defined(TENSIM_HAVE_AVX2)
    case InstructionSet::kAvx2:
      return avx2_kernels();
#endif
#if defined(TENSIM_HAVE_NEON)
    case InstructionSet::kNeon:
      return neon_kernels();
#endif
    default:
      return baseline_kernels();
  }
}

}  // namespace tensim
