#pragma once

#include "product.h"

namespace tensim {

// Both operands copied to contiguous (batch, m, k) and (batch, k, n), a contiguous product, and its result copied to
// where it belongs: transpose-transpose-GEMM-transpose, as libraries without strided kernels do it. For comparison.
template <class T>
void ttgt_product(const Context& context, const Product<T>& product);

}  // namespace tensim
