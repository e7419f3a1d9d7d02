#include "cpu_features.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "error.h"

#if defined(__x86_64__) || defined(_M_X64)
#define TENSIM_X64 1
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

#if defined(__linux__)
#include <unistd.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace tensim {
namespace {

#if defined(TENSIM_X64)

struct Registers {
  std::uint32_t eax, ebx, ecx, edx;
};

Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
#if defined(_MSC_VER)
  int r[4];
  __cpuidex(r, static_cast<int>(leaf), static_cast<int>(subleaf));
  return {static_cast<std::uint32_t>(r[0]), static_cast<std::uint32_t>(r[1]), static_cast<std::uint32_t>(r[2]),
          static_cast<std::uint32_t>(r[3])};
#else
  Registers r{};
  __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  return r;
#endif
}

// Which register states the operating system saves on a context switch. The processor may know AVX-512 and the system
// not.
std::uint64_t enabled_states() {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  std::uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<std::uint64_t>(high) << 32) | low;
#endif
}

constexpr bool has(std::uint32_t word, int bit) {
  return ((word >> bit) & 1u) != 0;
}

struct X64Features {
  bool avx2 = false;
  bool avx512 = false;
  bool avx512_bf16 = false;

  X64Features() {
    if (cpuid(0).eax < 7) return;
    const Registers basic = cpuid(1);
    const Registers extended = cpuid(7);
    if (!has(basic.ecx, 27)) return;  // OSXSAVE: xgetbv may be asked
    const std::uint64_t states = enabled_states();
    const bool ymm = (states & 0x6) == 0x6;
    const bool zmm = (states & 0xe6) == 0xe6;
    avx2 = ymm && has(basic.ecx, 12) && has(extended.ebx, 5);                  // FMA, AVX2
    avx512 = zmm && avx2 && has(extended.ebx, 16) && has(extended.ebx, 17) &&  // F, DQ
             has(extended.ebx, 30) && has(extended.ebx, 31);                   // BW, VL
    avx512_bf16 = avx512 && extended.eax >= 1 && has(cpuid(7, 1).eax, 5);
  }
};

const X64Features& features() {
  static const X64Features found;
  return found;
}

#endif  // TENSIM_X64

#if defined(__linux__) && defined(_SC_LEVEL1_DCACHE_SIZE)  // musl has no such question
std::size_t positive_or(long value, std::size_t otherwise) {
  return value > 0 ? static_cast<std::size_t>(value) : otherwise;
}
#endif

}  // namespace

const char* name(InstructionSet set) {
  switch (set) {
    case InstructionSet::kNeon:
      return "neon";
    case InstructionSet::kAvx2:
      return "avx2";
    case InstructionSet::kAvx512:
      return "avx512";
    case InstructionSet::kBaseline:
      break;
  }
  return "baseline";
}

std::vector<InstructionSet> available_instruction_sets() {
  std::vector<InstructionSet> sets{InstructionSet::kBaseline};
#if defined(TENSIM_HAVE_NEON)
  sets.push_back(InstructionSet::kNeon);  // part of every 64-bit Arm processor
#endif
#if defined(TENSIM_X64)
#if defined(TENSIM_HAVE_AVX2)
  if (features().avx2) sets.push_back(InstructionSet::kAvx2);
#endif
#if defined(TENSIM_HAVE_AVX512)
  if (features().avx512) sets.push_back(InstructionSet::kAvx512);
#endif
#endif
  return sets;
}

bool has_bf16_products() {
#if defined(TENSIM_X64)
  return features().avx512_bf16;
#else
  return false;
#endif
}

InstructionSet chosen_instruction_set() {
  const std::vector<InstructionSet> sets = available_instruction_sets();
  const char* wanted = std::getenv("TENSIM_CPU");
  if (wanted == nullptr || *wanted == '\0') return sets.back();
  std::string list;
  for (InstructionSet set : sets) {
    if (std::strcmp(name(set), wanted) == 0) return set;
    list += list.empty() ? name(set) : std::string(", ") + name(set);
  }
  throw Error("INVALID_ARGUMENT",
              "TENSIM_CPU=" + std::string(wanted) + " is not available on this machine; there are: " + list);
}

CacheSizes cache_sizes() {
  CacheSizes sizes{32 * 1024, 512 * 1024};
#if defined(__linux__) && defined(_SC_LEVEL1_DCACHE_SIZE)
  sizes.l1 = positive_or(sysconf(_SC_LEVEL1_DCACHE_SIZE), sizes.l1);
  sizes.l2 = positive_or(sysconf(_SC_LEVEL2_CACHE_SIZE), sizes.l2);
#elif defined(__APPLE__)
  std::size_t length = sizeof(std::size_t);
  std::size_t value = 0;
  if (sysctlbyname("hw.l1dcachesize", &value, &length, nullptr, 0) == 0 && value > 0) sizes.l1 = value;
  length = sizeof(std::size_t);
  if (sysctlbyname("hw.l2cachesize", &value, &length, nullptr, 0) == 0 && value > 0) sizes.l2 = value;
#endif
  return sizes;
}

std::string processor_name() {
#if defined(TENSIM_X64)
  if (cpuid(0x80000000u).eax < 0x80000004u) return {};
  char text[49] = {};
  for (std::uint32_t i = 0; i < 3; ++i) {
    const Registers r = cpuid(0x80000002u + i);
    std::memcpy(text + 16 * i, &r, sizeof r);
  }
  const char* start = text;
  while (*start == ' ') ++start;
  return start;
#else
  return {};
#endif
}

}  // namespace tensim
