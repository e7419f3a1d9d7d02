#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "bundle.h"

namespace tensim {

// The e with 2^(e−1) ≤ x < 2^e; 0 for 0, infinity and NaN, which no scaling helps. No lower than what 2^−e can still
// undo in T.
template <class T>
int exponent_of(double x) {
  if (!(x > 0) || std::isinf(x)) return 0;
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::max(exponent, std::numeric_limits<T>::min_exponent);
}

// The largest magnitude in a contiguous buffer; NaN counts as nothing.
template <class T>
double largest(const T* data, std::size_t elements) {
  T most = 0;
  for (std::size_t i = 0; i < elements; ++i) most = std::max(most, std::abs(data[i]));
  return static_cast<double>(most);
}

// The largest magnitude that a strided operand shows.
template <class T>
double largest_of_view(const T* data, const OperandLayout& layout) {
  double most = 0;
  for (std::ptrdiff_t at : offsets_of(layout.axes, &Loop::a)) {
    most = std::max(most, static_cast<double>(std::abs(data[layout.offset + at])));
  }
  return most;
}

}  // namespace tensim
