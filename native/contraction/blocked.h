#pragma once

#include "product.h"

namespace tensim {

// Packed and blocked, straight from the strided operands: gemm/ per batch entry, in parallel over entries when there
// are enough of them. The contiguous side of the output becomes the columns of micro-tiles.
template <class T>
void blocked_product(const Context& context, const Product<T>& product);

// m, n and k small: no packing; the operands of one batch entry are read in place, or gathered where their columns are
// not contiguous.
template <class T>
void small_product(const Context& context, const Product<T>& product);

}  // namespace tensim
