#pragma once

#include "product.h"

namespace tensim {

// out = a · b over batch loops alone (broadcasting where a stride is 0), or out = a without b.
template <class T>
void multiply_or_copy(const Context& context, const Product<T>& product);

}  // namespace tensim
