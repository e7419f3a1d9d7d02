#pragma once

#include "product.h"

namespace tensim {

// Nested loops over everything. For comparison.
template <class T>
void loops_product(const Context& context, const Product<T>& product);

}  // namespace tensim
