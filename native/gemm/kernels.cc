#include "kernels.h"

#include "../core/assert.h"

namespace tensim {

const KernelSet& kernels_for(InstructionSet set) {
  switch (set) {
    case InstructionSet::kBaseline:
      return baseline_kernels();
    case InstructionSet::kNeon:
#if defined(TENSIM_HAVE_NEON)
      return neon_kernels();
#else
      break;
#endif
    case InstructionSet::kAvx2:
#if defined(TENSIM_HAVE_AVX2)
      return avx2_kernels();
#else
      break;
#endif
    case InstructionSet::kAvx512:
#if defined(TENSIM_HAVE_AVX512)
      return avx512_kernels();
#else
      break;
#endif
  }
  unreachable();
}

}  // namespace tensim
