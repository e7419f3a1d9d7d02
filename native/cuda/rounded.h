#pragma once

#include <cmath>

#include "grid.h"

namespace tensim::cuda {

// Operations in double that IEEE 754 rounds, none of them fused with another: the same bits as on the host.
TENSIM_KERNEL double times(double a, double b) {
#if defined(__CUDACC__)
  return __dmul_rn(a, b);
#else
  return a * b;
#endif
}
TENSIM_KERNEL double plus(double a, double b) {
#if defined(__CUDACC__)
  return __dadd_rn(a, b);
#else
  return a + b;
#endif
}
TENSIM_KERNEL double over(double a, double b) {
#if defined(__CUDACC__)
  return __ddiv_rn(a, b);
#else
  return a / b;
#endif
}
TENSIM_KERNEL double root(double a) {
#if defined(__CUDACC__)
  return __dsqrt_rn(a);
#else
  return std::sqrt(a);
#endif
}

}  // namespace tensim::cuda
