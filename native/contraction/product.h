#pragma once

#include <cstddef>
#include <vector>

#include "../core/context.h"
#include "plan.h"

namespace tensim {

// A step with its views placed and its loops sized: what one kernel works on. `b` is null for reductions and copies.
// Elements of a and b count as multiplied by their factors, powers of two that keep exponents in range.
template <class T>
struct Product {
  const T* a = nullptr;
  const T* b = nullptr;
  T* out = nullptr;
  T a_factor = 1, b_factor = 1;
  Bundle batch, left, right, contracted;
  bool accumulate = false;
};

}  // namespace tensim
