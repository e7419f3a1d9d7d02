#include <algorithm>

#include "../core/scratch.h"
#include "../gemm/gemm.h"
#include "../gemm/pack.h"
#include "product.h"
#include "tasks.h"

namespace tensim {
namespace {

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

// Brings the loop that is contiguous by `stride` to the end of a bundle, where it runs fastest.
void contiguous_last(Bundle& bundle, std::ptrdiff_t Loop::*stride) {
  const auto found = std::find_if(bundle.begin(), bundle.end(), [&](const Loop& loop) { return loop.*stride == 1; });
  if (found != bundle.end()) std::rotate(found, found + 1, bundle.end());
}
bool ends_contiguous(const Bundle& bundle, std::ptrdiff_t Loop::*stride) {
  return !bundle.empty() && bundle.back().*stride == 1;
}

// The order of the loops within a bundle is free. Columns run along the output, so that micro-tiles are written in whole vectors. Rows may
// lie anywhere in the output, so they run along a, which is then packed from whole cache lines. The contracted loops help the operand that is
// not yet read along its memory.
template <class T>
void arrange(Product<T>& product) {
  if (!ends_contiguous(product.right, &Loop::out)) contiguous_last(product.right, &Loop::b);
  contiguous_last(product.right, &Loop::out);
  contiguous_last(product.left, &Loop::a);
  const bool a_along = ends_contiguous(product.left, &Loop::a);
  contiguous_last(product.contracted, a_along ? &Loop::b : &Loop::a);
}

// Runs entry(x, context) for every batch entry: side by side on one thread each when there are enough of them, else one after the other
// with all threads on each.
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

template <class T>
void multiply_entries(const Context& context, const Product<T>& product) {
  const Entries<T> entries(product);
  constexpr DType kDType = DTypeOf<T>::value;
  for_entries(context, entries.batch_a.size(), entries.points(), [&](std::size_t x, const Context& inner) {
    gemm<T>(inner, {entries.a(x), kDType, entries.left_a, entries.depth_a, static_cast<double>(product.a_factor)},
            {entries.b(x), kDType, entries.depth_b, entries.right_b, static_cast<double>(product.b_factor)},
            {entries.out(x), entries.left_out, entries.right_out}, product.accumulate);
  });
}

}  // namespace

template <class T>
void blocked_product(const Context& context, const Product<T>& given) {
  Product<T> product = better_exchanged(given) ? exchanged(given) : given;
  arrange(product);
  multiply_entries(context, product);
}

template <class T>
void ttgt_product(const Context& context, const Product<T>& product) {
  const Entries<T> entries(product);
  const std::size_t m = entries.left_a.size(), n = entries.right_b.size(), k = entries.depth_a.size();
  for_entries(context, entries.batch_a.size(), entries.points(), [&](std::size_t x, const Context& inner) {
    Scratch<T> a(m * k), b(k * n), c(m * n);
    inner.parallel_for(m, [&](std::size_t i) {
      for (std::size_t p = 0; p < k; ++p)
        a.data()[i * k + p] = product.a_factor * entries.a(x)[entries.left_a[i] + entries.depth_a[p]];
    });
    inner.parallel_for(k, [&](std::size_t p) {
      for (std::size_t j = 0; j < n; ++j)
        b.data()[p * n + j] = product.b_factor * entries.b(x)[entries.depth_b[p] + entries.right_b[j]];
    });
    gemm<T>(inner, MatrixView::row_major(a.data(), m, k), MatrixView::row_major(b.data(), k, n), c.data(),
            static_cast<std::ptrdiff_t>(n));
    inner.parallel_for(m, [&](std::size_t i) {
      for (std::size_t j = 0; j < n; ++j) {
        T& at = entries.out(x)[entries.left_out[i] + entries.right_out[j]];
        at = product.accumulate ? at + c.data()[i * n + j] : c.data()[i * n + j];
      }
    });
  });
}

template <class T>
void loops_product(const Context& context, const Product<T>& product) {
  const Entries<T> entries(product);
  const std::size_t m = entries.left_a.size(), k = entries.depth_a.size();
  for_tasks(context, entries.batch_a.size() * m, entries.right_b.size() * k, [&](std::size_t row) {
    const std::size_t x = row / m, i = row % m;
    const T* a = entries.a(x) + entries.left_a[i];
    for (std::size_t j = 0; j < entries.right_b.size(); ++j) {
      const T* b = entries.b(x) + entries.right_b[j];
      double sum = 0;
      for (std::size_t p = 0; p < k; ++p) {
        sum += static_cast<double>(product.a_factor * a[entries.depth_a[p]]) *
               static_cast<double>(product.b_factor * b[entries.depth_b[p]]);
      }
      T& at = entries.out(x)[entries.left_out[i] + entries.right_out[j]];
      at = static_cast<T>(product.accumulate ? static_cast<double>(at) + sum : sum);
    }
  });
}

template <class T>
void small_product(const Context& context, const Product<T>& given) {
  const Product<T> product = better_exchanged(given) ? exchanged(given) : given;
  const Entries<T> entries(product);
  const std::size_t m = entries.left_a.size(), n = entries.right_b.size(), k = entries.depth_a.size();
  if (m > kSmall || n > kSmall || k > kSmall) {
    multiply_entries(context, product);
    return;
  }
  const auto stride = [](const OffsetList& offsets) { return common_stride(offsets.data(), offsets.size()); };
  const std::ptrdiff_t a_row = stride(entries.left_a), a_step = stride(entries.depth_a),
                       b_step = stride(entries.depth_b);
  const std::ptrdiff_t c_row = stride(entries.left_out);
  // What does not lie as the kernel reads it is gathered into a small contiguous matrix, on the stack.
  const bool a_fits = a_row != kIrregular && a_step != kIrregular && product.a_factor == 1;
  const bool b_fits = stride(entries.right_b) == 1 && b_step != kIrregular && product.b_factor == 1;
  const bool c_fits = stride(entries.right_out) == 1 && c_row != kIrregular;
  const auto width = static_cast<std::ptrdiff_t>(n);
  for_tasks(context, entries.batch_a.size(), entries.points(), [&](std::size_t x) {
    alignas(64) T a_gathered[kSmall * kSmall], b_gathered[kSmall * kSmall], c_gathered[kSmall * kSmall];
    const T *a = entries.a(x), *b = entries.b(x);
    T* c = entries.out(x);
    if (!a_fits) {
      for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t p = 0; p < k; ++p)
          a_gathered[i * k + p] = product.a_factor * a[entries.left_a[i] + entries.depth_a[p]];
      }
    }
    if (!b_fits) {
      for (std::size_t p = 0; p < k; ++p) {
        for (std::size_t j = 0; j < n; ++j)
          b_gathered[p * n + j] = product.b_factor * b[entries.depth_b[p] + entries.right_b[j]];
      }
    }
    context.kernels.of<T>().small(m, n, k, a_fits ? a : a_gathered, a_fits ? a_row : static_cast<std::ptrdiff_t>(k),
                                  a_fits ? a_step : 1, b_fits ? b : b_gathered, b_fits ? b_step : width,
                                  c_fits ? c : c_gathered, c_fits ? c_row : width, !c_fits || !product.accumulate);
    if (c_fits) return;
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        T& at = c[entries.left_out[i] + entries.right_out[j]];
        at = product.accumulate ? at + c_gathered[i * n + j] : c_gathered[i * n + j];
      }
    }
  });
}

#define TENSIM_INSTANTIATE(T)                                          \
  template void blocked_product<T>(const Context&, const Product<T>&); \
  template void ttgt_product<T>(const Context&, const Product<T>&);    \
  template void loops_product<T>(const Context&, const Product<T>&);   \
  template void small_product<T>(const Context&, const Product<T>&);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)

}  // namespace tensim
