#pragma once

#include <cstddef>

#include "../core/context.h"
#include "../core/matrix_view.h"

namespace tensim {

// C = A·B, or C += A·B with `accumulate`, for T = double or float, computed in T. A is (m, k), B (k, n), of either
// element type and any strides; C is (m, n) with the given strides (in elements) and must not overlap them. k = 0 is an
// empty sum. The result does not depend on the number of threads: every element of C is summed over k in one fixed
// order.
template <class T>
void gemm(const Context& context, const MatrixView& a, const MatrixView& b, T* c, std::ptrdiff_t row_stride,
          std::ptrdiff_t column_stride = 1, bool accumulate = false);

}  // namespace tensim
