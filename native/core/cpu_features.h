#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tensim {

// Instruction sets for which micro-kernels exist, from the least to the most able.
enum class InstructionSet { kBaseline, kNeon, kAvx2, kAvx512 };

const char* name(InstructionSet set);

// Sets that were compiled in and that processor and operating system both support; the baseline is always among them.
std::vector<InstructionSet> available_instruction_sets();

// The best available set, or the one that the environment variable TENSIM_CPU names.
// Throws Error INVALID_ARGUMENT if it names one that is not available.
InstructionSet chosen_instruction_set();

// Whether the processor multiplies pairs of bfloat16 numbers in vectors of 512 bits.
bool has_bf16_products();

struct CacheSizes {
  std::size_t l1;  // data cache of one core, bytes
  std::size_t l2;  // per core
};

// As the operating system reports them, else 32 KiB and 512 KiB.
CacheSizes cache_sizes();

// The processor's own name, or an empty string where it does not tell.
std::string processor_name();

}  // namespace tensim
