#pragma once

#include "product.h"

namespace tensim {

// m = 1 or n = 1 (or both): bound by memory, so that a is read once, along its contiguous side.
template <class T>
void vector_product(const Context& context, const Product<T>& product);

// out = Σ a over the contracted loops.
template <class T>
void reduce_loops(const Context& context, const Product<T>& product);

}  // namespace tensim
