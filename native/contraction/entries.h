#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "bundle.h"
#include "product.h"
#include "tasks.h"

namespace tensim {

using OffsetList = std::vector<std::ptrdiff_t>;

// One matrix product per batch entry, as scatter vectors; the factors are applied while packing.
template <class T>
struct Entries {
  const Product<T>& product;
  OffsetList batch_a, batch_b, batch_out, left_a, left_out, right_b, right_out, depth_a, depth_b;

  explicit Entries(const Product<T>& p)
      : product(p),
        batch_a(offsets_of(p.batch, &Loop::a)),
        batch_b(offsets_of(p.batch, &Loop::b)),
        batch_out(offsets_of(p.batch, &Loop::out)),
        left_a(offsets_of(p.left, &Loop::a)),
        left_out(offsets_of(p.left, &Loop::out)),
        right_b(offsets_of(p.right, &Loop::b)),
        right_out(offsets_of(p.right, &Loop::out)),
        depth_a(offsets_of(p.contracted, &Loop::a)),
        depth_b(offsets_of(p.contracted, &Loop::b)) {}

  std::size_t points() const { return left_a.size() * right_b.size() * depth_a.size(); }

  const T* a(std::size_t x) const { return product.a + batch_a[x]; }
  const T* b(std::size_t x) const { return product.b + batch_b[x]; }
  T* out(std::size_t x) const { return product.out + batch_out[x]; }
};

// The same product with its operands exchanged: Cᵀ = Bᵀ·Aᵀ.
template <class T>
Product<T> exchanged(const Product<T>& product) {
  Product<T> other = product;
  std::swap(other.a, other.b);
  std::swap(other.a_factor, other.b_factor);
  std::swap(other.left, other.right);
  for (Bundle* bundle : {&other.batch, &other.left, &other.right, &other.contracted}) {
    for (Loop& loop : *bundle) std::swap(loop.a, loop.b);
  }
  return other;
}

// Micro-tiles are written fastest when the output is contiguous along their columns, which are the right bundle's.
template <class T>
bool better_exchanged(const Product<T>& product) {
  const auto contiguous = [](const Bundle& bundle) { return !bundle.empty() && bundle.back().out == 1; };
  return contiguous(product.left) && !contiguous(product.right);
}

// Runs entry(x, context) for every batch entry: side by side on one thread each when there are enough of them, else one
// after the other with all threads on each.
template <class Entry>
void for_entries(const Context& context, std::size_t count, std::size_t points, const Entry& entry) {
  if (count >= 2 * context.threads) {
    const Context alone{context.kernels, context.pool, 1, context.control};
    for_tasks(context, count, points, [&](std::size_t x) { entry(x, alone); });
    return;
  }
  for (std::size_t x = 0; x < count; ++x) {
    entry(x, context);
    context.control.advance(points);
  }
}

}  // namespace tensim
