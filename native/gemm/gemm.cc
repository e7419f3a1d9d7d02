#include "gemm.h"

#include <algorithm>

#include "../core/aligned_buffer.h"
#include "pack.h"

namespace tensim {
namespace {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

// How the three loops are cut (the names are those of BLIS):
//
//   kc   steps of k per panel: a row panel (mr·kc) takes a quarter of the first cache, and a column panel (nr·kc) stays
//   in the second mc   rows per task: their packed panels (mc·kc) take a quarter of the second cache nc   columns
//   packed at a time, and `mo` rows: both packed blocks together stay within some megabytes
template <class T>
struct Blocking {
  std::size_t kc, mc, nc, mo;

  Blocking(const MicroKernels<T>& kernels, std::size_t k) {
    static const CacheSizes caches = cache_sizes();
    const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr);
    const std::size_t most = std::max<std::size_t>(64, caches.l1 / (4 * mr * sizeof(T)));
    kc = k == 0 ? 1 : ceil_div(k, ceil_div(k, most));  // equal parts rather than a short last one
    mc = std::max<std::size_t>(1, caches.l2 / (4 * kc * sizeof(T) * mr)) * mr;
    nc = std::max<std::size_t>(1, (std::size_t{4} << 20) / (kc * sizeof(T) * nr)) * nr;
    mo = std::max(mc, (std::size_t{4} << 20) / (kc * sizeof(T)) / mc * mc);
  }
};

}  // namespace

template <class T>
void gemm(const Context& context, const MatrixView& a, const MatrixView& b, T* c, std::ptrdiff_t row_stride,
          std::ptrdiff_t column_stride, bool accumulate) {
  const std::size_t m = a.rows, n = b.columns, depth = a.columns;
  if (m == 0 || n == 0 || (depth == 0 && accumulate)) return;
  const auto at = [&](std::size_t i, std::size_t j) {
    return c + static_cast<std::ptrdiff_t>(i) * row_stride + static_cast<std::ptrdiff_t>(j) * column_stride;
  };
  if (depth == 0) {
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) *at(i, j) = T(0);
    }
    return;
  }

  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr);
  const Blocking<T> blocking(kernels, depth);
  const std::size_t mo = std::min(blocking.mo, ceil_div(m, mr) * mr), nc = std::min(blocking.nc, ceil_div(n, nr) * nr);
  AlignedBuffer<T> row_panels(mo * blocking.kc), column_panels(nc * blocking.kc);
  const MatrixView columns = b.transposed();
  // Column panels per task: few enough that a skewed product still has tasks for every thread.
  const std::size_t panels_per_task = std::max<std::size_t>(1, 256 / nr);

  for (std::size_t j0 = 0; j0 < n; j0 += nc) {
    const std::size_t j1 = std::min(n, j0 + nc), column_count = ceil_div(j1 - j0, nr);
    for (std::size_t k0 = 0; k0 < depth; k0 += blocking.kc) {
      const std::size_t kc = std::min(blocking.kc, depth - k0);
      context.parallel_for(column_count, [&](std::size_t panel) {
        pack_rows(columns, j0 / nr + panel, nr, k0, kc, column_panels.data() + panel * nr * kc);
      });
      for (std::size_t i0 = 0; i0 < m; i0 += mo) {
        const std::size_t i1 = std::min(m, i0 + mo), row_count = ceil_div(i1 - i0, mr);
        context.parallel_for(row_count, [&](std::size_t panel) {
          pack_rows(a, i0 / mr + panel, mr, k0, kc, row_panels.data() + panel * mr * kc);
        });
        const std::size_t rows_per_task = blocking.mc / mr;
        const std::size_t row_tasks = ceil_div(row_count, rows_per_task),
                          column_tasks = ceil_div(column_count, panels_per_task);
        context.parallel_for(row_tasks * column_tasks, [&](std::size_t task) {
          const std::size_t p0 = task % row_tasks * rows_per_task, p1 = std::min(row_count, p0 + rows_per_task);
          const std::size_t q0 = task / row_tasks * panels_per_task, q1 = std::min(column_count, q0 + panels_per_task);
          for (std::size_t q = q0; q < q1; ++q) {
            const std::size_t j = j0 + q * nr;
            for (std::size_t p = p0; p < p1; ++p) {
              const std::size_t i = i0 + p * mr;
              kernels.gemm(kc, row_panels.data() + p * mr * kc, column_panels.data() + q * nr * kc, at(i, j),
                           row_stride, column_stride, static_cast<int>(std::min(mr, m - i)),
                           static_cast<int>(std::min(nr, n - j)), k0 == 0 && !accumulate);
            }
          }
        });
      }
    }
  }
}

template void gemm<double>(const Context&, const MatrixView&, const MatrixView&, double*, std::ptrdiff_t,
                           std::ptrdiff_t, bool);
template void gemm<float>(const Context&, const MatrixView&, const MatrixView&, float*, std::ptrdiff_t, std::ptrdiff_t,
                          bool);

}  // namespace tensim
