#include "kernels.h"

#include "../core/assert.h"

namespace tensim {

#if defined(TENSIM_HAVE_AVX512_BF16)
namespace {

const KernelSet& avx512_kernels_of_this_processor() {
  static const KernelSet set = [] {
    KernelSet kernels = avx512_kernels();
    if (has_bf16_products()) kernels.pair_tile = &avx512_pair_tile;
    return kernels;
  }();
  return set;
}

}  // namespace
#endif

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
#if defined(TENSIM_HAVE_AVX512_BF16)
      return avx512_kernels_of_this_processor();
#elif defined(TENSIM_HAVE_AVX512)
      return avx512_kernels();
#else
      break;
#endif
  }
  unreachable();
}

}  // namespace tensim
