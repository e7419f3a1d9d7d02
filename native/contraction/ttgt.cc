#include "ttgt.h"

#include "../core/scratch.h"
#include "../gemm/gemm.h"
#include "entries.h"

namespace tensim {

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

template void ttgt_product<double>(const Context&, const Product<double>&);
template void ttgt_product<float>(const Context&, const Product<float>&);

}  // namespace tensim
