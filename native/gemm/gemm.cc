#include "gemm.h"

#include <algorithm>

#include "../core/assert.h"
#include "../core/scratch.h"
#include "pack.h"

namespace tensim {
namespace {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

// How the three loops are cut (the names are those of BLIS):
//
//   kc   steps of k per panel: a row panel (mr·kc) takes a quarter of the first cache, and a column panel (nr·kc)
//        stays in the second
//   mc   rows per task: their packed panels (mc·kc) take a quarter of the second cache
//   nc   columns packed at a time, and `mo` rows: each packed block stays within some megabytes
struct Blocking {
  std::size_t kc, mc, nc, mo;

  template <class T>
  Blocking(const MicroKernels<T>& kernels, std::size_t m, std::size_t n, std::size_t k) {
    static const CacheSizes caches = cache_sizes();
    constexpr std::size_t kPacked = std::size_t{4} << 20;
    const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr);
    const std::size_t most = std::max<std::size_t>(64, caches.l1 / (4 * mr * sizeof(T)));
    kc = k == 0 ? 1 : ceil_div(k, ceil_div(k, most));  // equal parts rather than a short last one
    mc = std::max<std::size_t>(1, caches.l2 / (4 * kc * sizeof(T) * mr)) * mr;
    nc = std::min(ceil_div(n, nr) * nr, std::max<std::size_t>(1, kPacked / (kc * sizeof(T) * nr)) * nr);
    mo = std::min(ceil_div(m, mr) * mr, std::max<std::size_t>(1, kPacked / (kc * sizeof(T)) / mc) * mc);
  }
};

// The stride of every panel's offsets, or kIrregular.
std::vector<std::ptrdiff_t> panel_strides(const Offsets& offsets, std::size_t width) {
  std::vector<std::ptrdiff_t> strides;
  for (std::size_t first = 0; first < offsets.size; first += width) {
    strides.push_back(common_stride(offsets.data + first, std::min(width, offsets.size - first)));
  }
  return strides;
}

template <class T>
void pack(const ScatterMatrix& matrix, const Offsets& lanes, std::size_t first, std::size_t width, const Offsets& depth,
          std::size_t k0, std::size_t count, T* panel) {
  const std::size_t present = std::min(width, lanes.size - first);
  const auto from = [&](const auto* data) {
    pack_panel(data, lanes.data + first, present, depth.data + k0, count, width, static_cast<T>(matrix.factor), panel);
  };
  if (matrix.dtype == DType::kFloat64) {
    from(static_cast<const double*>(matrix.data));
  } else {
    from(static_cast<const float*>(matrix.data));
  }
}

// Where a micro-tile goes, with the strides of its offsets, or kIrregular.
template <class T>
struct TilePlace {
  T* data;
  const std::ptrdiff_t *rows, *columns;
  std::ptrdiff_t row_stride, column_stride;
  int row_count, column_count;
  bool overwrite;
};

// Writes one micro-tile to where the offsets say.
template <class T>
void micro_tile(const MicroKernels<T>& kernels, std::size_t depth, const T* a, const T* b, const TilePlace<T>& to) {
  if (to.row_stride != kIrregular && to.column_stride != kIrregular) {
    kernels.gemm(depth, a, b,
                 {to.data + to.rows[0] + to.columns[0], to.row_stride, to.column_stride, to.row_count, to.column_count,
                  to.overwrite});
    return;
  }
  constexpr std::size_t kLargestTile = 1024;  // elements; no kernel's tile is larger
  TENSIM_ASSERT(static_cast<std::size_t>(kernels.mr) * static_cast<std::size_t>(kernels.nr) <= kLargestTile);
  alignas(64) T tile[kLargestTile];
  kernels.gemm(depth, a, b, {tile, kernels.nr, 1, kernels.mr, kernels.nr, true});
  for_runs(to.columns, static_cast<std::size_t>(to.column_count), [&](std::size_t first, std::size_t length) {
    for (int i = 0; i < to.row_count; ++i) {
      T* out = to.data + to.rows[i] + to.columns[first];
      const T* from = tile + i * kernels.nr + first;
      if (to.overwrite) {
        for (std::size_t j = 0; j < length; ++j) out[j] = from[j];
      } else {
        for (std::size_t j = 0; j < length; ++j) out[j] += from[j];
      }
    }
  });
}

// The product in blocks, all threads on every block. m, n and depth are not zero.
template <class T>
void blocked_gemm(const Context& context, const ScatterMatrix& a, const ScatterMatrix& b, const ScatterTarget<T>& c,
                  bool accumulate) {
  const std::size_t m = a.rows.size, n = b.columns.size, depth = a.columns.size;
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr);
  const Blocking blocking(kernels, m, n, depth);
  const std::size_t mo = blocking.mo, nc = blocking.nc;
  Scratch<T> row_panels(mo * blocking.kc), column_panels(nc * blocking.kc);
  const std::vector<std::ptrdiff_t> row_strides = panel_strides(c.rows, mr),
                                    column_strides = panel_strides(c.columns, nr);
  const std::size_t rows_per_task = blocking.mc / mr;
  // Few enough column panels per task that a skewed product still has tasks for every thread.
  const std::size_t columns_per_task = std::max<std::size_t>(1, 256 / nr);
  constexpr std::size_t kPackedPerTask = 8;  // panels

  for (std::size_t j0 = 0; j0 < n; j0 += nc) {
    const std::size_t column_count = ceil_div(std::min(n, j0 + nc) - j0, nr);
    for (std::size_t k0 = 0; k0 < depth; k0 += blocking.kc) {
      const std::size_t kc = std::min(blocking.kc, depth - k0);
      for (std::size_t i0 = 0; i0 < m; i0 += mo) {
        const std::size_t row_count = ceil_div(std::min(m, i0 + mo) - i0, mr);
        // Column panels are packed once per (j0, k0), together with the first rows.
        const std::size_t to_pack = row_count + (i0 == 0 ? column_count : 0);
        context.parallel_for(ceil_div(to_pack, kPackedPerTask), [&](std::size_t task) {
          for (std::size_t p = task * kPackedPerTask; p < std::min(to_pack, (task + 1) * kPackedPerTask); ++p) {
            if (p < row_count) {
              pack(a, a.rows, i0 + p * mr, mr, a.columns, k0, kc, row_panels.data() + p * mr * kc);
            } else {
              const std::size_t q = p - row_count;
              pack(b, b.columns, j0 + q * nr, nr, b.rows, k0, kc, column_panels.data() + q * nr * kc);
            }
          }
        });
        const std::size_t row_tasks = ceil_div(row_count, rows_per_task);
        const std::size_t column_tasks = ceil_div(column_count, columns_per_task);
        context.parallel_for(row_tasks * column_tasks, [&](std::size_t task) {
          const std::size_t p0 = task % row_tasks * rows_per_task, p1 = std::min(row_count, p0 + rows_per_task);
          const std::size_t q0 = task / row_tasks * columns_per_task,
                            q1 = std::min(column_count, q0 + columns_per_task);
          for (std::size_t q = q0; q < q1; ++q) {
            const std::size_t j = j0 + q * nr;
            for (std::size_t p = p0; p < p1; ++p) {
              const std::size_t i = i0 + p * mr;
              micro_tile<T>(kernels, kc, row_panels.data() + p * mr * kc, column_panels.data() + q * nr * kc,
                            {c.data, c.rows.data + i, c.columns.data + j, row_strides[i / mr], column_strides[j / nr],
                             static_cast<int>(std::min(mr, m - i)), static_cast<int>(std::min(nr, n - j)),
                             k0 == 0 && !accumulate});
            }
          }
        });
      }
    }
  }
}

// A small result of a long sum has too few blocks for many threads and never fills the caches. Its depth is cut into
// parts instead, each done by one thread, and the parts are added up in order; how many there are does not depend on
// the threads.
constexpr std::size_t kSmallResult = std::size_t{1} << 14;  // elements
constexpr std::size_t kPartDepth = 2048;
constexpr std::size_t kMostParts = 32;

std::size_t depth_parts(std::size_t m, std::size_t n, std::size_t depth) {
  return m * n > kSmallResult ? 1 : std::clamp<std::size_t>(depth / kPartDepth, 1, kMostParts);
}

template <class T>
void split_gemm(const Context& context, const ScatterMatrix& a, const ScatterMatrix& b, const ScatterTarget<T>& c,
                bool accumulate, std::size_t parts) {
  const std::size_t m = a.rows.size, n = b.columns.size, depth = a.columns.size;
  Scratch<T> partial(parts * m * n);
  const std::vector<std::ptrdiff_t> rows = strided_offsets(m, static_cast<std::ptrdiff_t>(n)),
                                    columns = strided_offsets(n, 1);
  const Context alone{context.kernels, context.pool, 1, context.control};
  context.parallel_for(parts, [&](std::size_t part) {
    const std::size_t first = depth * part / parts, count = depth * (part + 1) / parts - first;
    blocked_gemm<T>(alone, {a.data, a.dtype, a.rows, a.columns.part(first, count), a.factor},
                    {b.data, b.dtype, b.rows.part(first, count), b.columns, b.factor},
                    {partial.data() + part * m * n, rows, columns}, false);
  });
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      T& at = c.data[c.rows.data[i] + c.columns.data[j]];
      T sum = accumulate ? at : T(0);
      for (std::size_t part = 0; part < parts; ++part) sum += partial.data()[(part * m + i) * n + j];
      at = sum;
    }
  }
}

}  // namespace

template <class T>
void gemm(const Context& context, const ScatterMatrix& a, const ScatterMatrix& b, const ScatterTarget<T>& c,
          bool accumulate) {
  const std::size_t m = a.rows.size, n = b.columns.size, depth = a.columns.size;
  TENSIM_ASSERT(b.rows.size == depth && c.rows.size == m && c.columns.size == n);
  if (m == 0 || n == 0) return;
  if (depth == 0) {
    if (accumulate) return;
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) c.data[c.rows.data[i] + c.columns.data[j]] = T(0);
    }
    return;
  }
  const std::size_t parts = depth_parts(m, n, depth);
  if (parts > 1) {
    split_gemm(context, a, b, c, accumulate, parts);
  } else {
    blocked_gemm(context, a, b, c, accumulate);
  }
}

template <class T>
void gemm(const Context& context, const MatrixView& a, const MatrixView& b, T* c, std::ptrdiff_t row_stride,
          std::ptrdiff_t column_stride, bool accumulate) {
  const std::vector<std::ptrdiff_t> a_rows = strided_offsets(a.rows, a.row_stride),
                                    a_columns = strided_offsets(a.columns, a.column_stride);
  const std::vector<std::ptrdiff_t> b_rows = strided_offsets(b.rows, b.row_stride),
                                    b_columns = strided_offsets(b.columns, b.column_stride);
  const std::vector<std::ptrdiff_t> c_rows = strided_offsets(a.rows, row_stride),
                                    c_columns = strided_offsets(b.columns, column_stride);
  gemm<T>(context, {a.data, a.dtype, a_rows, a_columns}, {b.data, b.dtype, b_rows, b_columns}, {c, c_rows, c_columns},
          accumulate);
}

template <class T>
Matrix<T> multiply(const Context& context, const MatrixView& a, const MatrixView& b) {
  Matrix<T> c(a.rows, b.columns);
  gemm<T>(context, a, b, c.data(), static_cast<std::ptrdiff_t>(c.columns));
  return c;
}

std::vector<double> multiply_vector(const Context& context, const MatrixView& w, const std::vector<double>& x,
                                    const MatrixView& b) {
  std::vector<double> y = vector_of(b, w.rows);
  if (!any(x)) return y;
  context.parallel_for(w.rows, [&](std::size_t i) {
    double sum = 0;
    for (std::size_t j = 0; j < w.columns; ++j) sum += element(w, i, j) * x[j];
    y[i] += sum;
  });
  return y;
}

template <class T>
void add_product(const Matrix<T>& matrix, const double* x, double factor, double* y) {
  for (std::size_t i = 0; i < matrix.rows; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < matrix.columns; ++j) sum += static_cast<double>(matrix.row(i)[j]) * x[j];
    y[i] += factor * sum;
  }
}

std::size_t gemm_workspace(const KernelSet& kernels, DType dtype, std::size_t m, std::size_t n, std::size_t k) {
  const bool float64 = dtype == DType::kFloat64;
  const Blocking blocking = float64 ? Blocking(kernels.f64, m, n, k) : Blocking(kernels.f32, m, n, k);
  const std::size_t parts = depth_parts(m, n, k);
  const std::size_t elements = parts * ((blocking.mo + blocking.nc) * blocking.kc + (parts > 1 ? m * n : 0));
  return elements * (float64 ? sizeof(double) : sizeof(float));
}

std::vector<std::ptrdiff_t> strided_offsets(std::size_t count, std::ptrdiff_t stride) {
  std::vector<std::ptrdiff_t> offsets(count);
  for (std::size_t i = 0; i < count; ++i) offsets[i] = static_cast<std::ptrdiff_t>(i) * stride;
  return offsets;
}

#define TENSIM_INSTANTIATE(T)                                                                                       \
  template void gemm<T>(const Context&, const ScatterMatrix&, const ScatterMatrix&, const ScatterTarget<T>&, bool); \
  template void gemm<T>(const Context&, const MatrixView&, const MatrixView&, T*, std::ptrdiff_t, std::ptrdiff_t,   \
                        bool);                                                                                      \
  template Matrix<T> multiply<T>(const Context&, const MatrixView&, const MatrixView&);                             \
  template void add_product<T>(const Matrix<T>&, const double*, double, double*);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
