#pragma once

#include <cstddef>
#include <vector>

#include "../core/context.h"
#include "plan.h"

namespace tensim {

// A step with its views placed and its loops sized: what one kernel works on. `b` is null for reductions and copies. Elements of a
// and b count as multiplied by their factors, powers of two that keep exponents in range.
template <class T>
struct Product {
  const T* a = nullptr;
  const T* b = nullptr;
  T* out = nullptr;
  T a_factor = 1, b_factor = 1;
  Bundle batch, left, right, contracted;
  bool accumulate = false;
};

// The product of the sizes; 1 for no loops.
std::size_t extent(const Bundle& bundle);

// The offset of every combination of the bundle's loops, the last fastest, by one of the strides.
std::vector<std::ptrdiff_t> offsets_of(const Bundle& bundle, std::ptrdiff_t Loop::*stride);

// The same for the flat indices first … first + count − 1 only.
void fill_offsets(const Bundle& bundle, std::ptrdiff_t Loop::*stride, std::size_t first, std::size_t count,
                  std::ptrdiff_t* offsets);

// Packed and blocked, straight from the strided operands: gemm/ per batch entry, in parallel over entries when there are enough of
// them. The contiguous side of the output becomes the columns of micro-tiles.
template <class T>
void blocked_product(const Context& context, const Product<T>& product);

// Both operands copied to contiguous (batch, m, k) and (batch, k, n), a contiguous product, and its result copied to where it belongs:
// transpose-transpose-GEMM-transpose, as libraries without strided kernels do it. For comparison.
template <class T>
void ttgt_product(const Context& context, const Product<T>& product);

// Nested loops over everything. For comparison.
template <class T>
void loops_product(const Context& context, const Product<T>& product);

// m, n and k small: no packing; the operands of one batch entry are read in place, or gathered where their columns are not contiguous.
template <class T>
void small_product(const Context& context, const Product<T>& product);

// m = 1 or n = 1 (or both): bound by memory, so that a is read once, along its contiguous side.
template <class T>
void vector_product(const Context& context, const Product<T>& product);

// out = a · b over batch loops alone (broadcasting where a stride is 0), or out = a without b.
template <class T>
void multiply_or_copy(const Context& context, const Product<T>& product);

// out = Σ a over the contracted loops.
template <class T>
void reduce(const Context& context, const Product<T>& product);

}  // namespace tensim
