#include "assert.h"

#include <cstdio>
#include <cstdlib>

namespace tensim {

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
  std::abort();
}

void unreachable() {
  assertion_failed("a value that its type does not have", __FILE__, __LINE__);
}

}  // namespace tensim
