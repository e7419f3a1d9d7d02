#include "blocked.h"

#include <algorithm>

#include "../gemm/gemm.h"
#include "../gemm/pack.h"
#include "entries.h"

namespace tensim {
namespace {

// Brings the loop that is contiguous by `stride` to the end of a bundle, where it runs fastest.
void contiguous_last(Bundle& bundle, std::ptrdiff_t Loop::*stride) {
  const auto found = std::find_if(bundle.begin(), bundle.end(), [&](const Loop& loop) { return loop.*stride == 1; });
  if (found != bundle.end()) std::rotate(found, found + 1, bundle.end());
}
bool ends_contiguous(const Bundle& bundle, std::ptrdiff_t Loop::*stride) {
  return !bundle.empty() && bundle.back().*stride == 1;
}

// The order of the loops within a bundle is free. Columns run along the output, so that micro-tiles are written in
// whole vectors. Rows may lie anywhere in the output, so they run along a, which is then packed from whole cache lines.
// The contracted loops help the operand that is not yet read along its memory.
template <class T>
void arrange(Product<T>& product) {
  if (!ends_contiguous(product.right, &Loop::out)) contiguous_last(product.right, &Loop::b);
  contiguous_last(product.right, &Loop::out);
  contiguous_last(product.left, &Loop::a);
  const bool a_along = ends_contiguous(product.left, &Loop::a);
  contiguous_last(product.contracted, a_along ? &Loop::b : &Loop::a);
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
    SmallProduct<T> fitting{{a, a_row, a_step}, {b, b_step}, {c, c_row}, m, n, k, !c_fits || !product.accumulate};
    if (!a_fits) fitting.a = {a_gathered, static_cast<std::ptrdiff_t>(k), 1};
    if (!b_fits) fitting.b = {b_gathered, width};
    if (!c_fits) fitting.c = {c_gathered, width};
    context.kernels.of<T>().small(fitting);
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
  template void small_product<T>(const Context&, const Product<T>&);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
