#pragma once

// Assumptions that callers must keep, checked in debug builds alone (those of the sanitizers among them). A plain macro
// over a function that is defined elsewhere, so that the files compiled for an instruction set can use it too.
#if defined(NDEBUG)
#define TENSIM_ASSERT(condition) static_cast<void>(0)
#else
#define TENSIM_ASSERT(condition) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::tensim::assertion_failed(#condition, __FILE__, __LINE__))
#endif

namespace tensim {

// Tells what did not hold, and ends the process.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

// Stands behind a switch that has a case for every value there is.
[[noreturn]] void unreachable();

}  // namespace tensim
