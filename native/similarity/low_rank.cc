#include "low_rank.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "../core/aligned_buffer.h"
#include "../core/assert.h"
#include "../core/scratch.h"
#include "low_rank_panels.h"

namespace tensim {
namespace {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

// Rows of a task, a multiple of every micro-tile's: they meet a column panel as it lies in the first cache.
constexpr std::size_t kRows = 192;
// Columns are packed a block at a time, and rows again for every block.
constexpr std::size_t kBlockBytes = std::size_t{128} << 20;

// One side of the products: scales that bring every row near 1, so that nothing leaves the range of T, and weights that
// take them back.
template <class T>
struct Side {
  const LowRankMatrices& matrices;
  std::vector<T> a_scales, b_scales;
  std::vector<double> weights;

  Side(const Context& context, const LowRankMatrices& matrices)
      : matrices(matrices), weights(matrices.weights, matrices.weights + matrices.count * matrices.rank) {
    a_scales = scales_of(context, matrices.a);
    b_scales = scales_of(context, matrices.b);
  }

 private:
  std::vector<T> scales_of(const Context& context, const StoredFactors& factors) {
    constexpr int kMost = std::numeric_limits<T>::max_exponent - 2;
    const std::vector<int> exponents = exponents_of(context, factors, matrices.count, matrices.rank);
    std::vector<T> scales(exponents.size());
    for (std::size_t row = 0; row < scales.size(); ++row) {
      const int exponent = std::clamp(exponents[row], -kMost, kMost);
      scales[row] = std::ldexp(T(1), -exponent);
      weights[row] = std::ldexp(weights[row], exponent);
    }
    return scales;
  }
};

template <class Step>
class LowRankProducts {
 public:
  using T = typename Step::T;
  using TileKernel = decltype(MicroKernels<T>::tile);

  LowRankProducts(const Context& context, TileKernel tile, const LowRankMatrices& rows, const LowRankMatrices& columns,
                  bool symmetric)
      : context_(context),
        kernels_(context.kernels.of<T>()),
        tile_(tile),
        symmetric_(symmetric),
        rows_(context, rows),
        columns_(context, columns),
        a_steps_(steps_of<Step>(rows.a)),
        b_steps_(steps_of<Step>(rows.b)) {
    // A column panel's strip stays in the first cache while the rows of a task pass over it.
    static const CacheSizes caches = cache_sizes();
    strip_ = std::max<std::size_t>(64, caches.l1 * 2 / 3 / (nr() * sizeof(T)) / 4 * 4);
    per_task_ = std::max<std::size_t>(1, kRows / rows.rank);
    const std::size_t each = columns.rank * steps() * sizeof(T);
    const std::size_t fits = std::max<std::size_t>(1, kBlockBytes / each);
    per_block_ = columns.count == 0 ? 1 : ceil_div(columns.count, ceil_div(columns.count, fits));
  }

  void run(double* products) const {
    const std::size_t count = columns_.matrices.count, tasks = ceil_div(rows_.matrices.count, per_task_);
    std::size_t flops = 0;
    for (std::size_t j0 = 0; j0 < count; j0 += per_block_) {
      for (std::size_t task = 0; task < tasks; ++task) flops += flops_of(task_of(task), block_of(j0));
    }
    context_.control.expect(flops);
    AlignedBuffer<T> panels(panels_of(block_of(0)) * nr() * steps());
    for (std::size_t j0 = 0; j0 < count; j0 += per_block_) {
      const Span block = block_of(j0);
      context_.parallel_for(panels_of(block), [&](std::size_t q) {
        pack(columns_, {block.from * columns_.matrices.rank, block.to * columns_.matrices.rank}, q, nr(),
             panels.data());
      });
      context_.parallel_for(tasks, [&](std::size_t task) { multiply(task_of(task), block, panels.data(), products); });
    }
  }

 private:
  struct Span {
    std::size_t from, to;
    std::size_t size() const { return to - from; }
  };

  std::size_t mr() const { return static_cast<std::size_t>(kernels_.mr); }
  std::size_t nr() const { return static_cast<std::size_t>(kernels_.nr); }
  std::size_t steps() const { return a_steps_ + b_steps_; }

  Span task_of(std::size_t task) const {
    return {task * per_task_, std::min(rows_.matrices.count, (task + 1) * per_task_)};
  }
  Span block_of(std::size_t from) const { return {from, std::min(columns_.matrices.count, from + per_block_)}; }
  std::size_t panels_of(const Span& block) const { return ceil_div(block.size() * columns_.matrices.rank, nr()); }

  // The first panel of a block with a cell that is wanted of these rows.
  std::size_t first_panel(const Span& members, const Span& block) const {
    if (!symmetric_ || members.from <= block.from) return 0;
    if (members.from >= block.to) return panels_of(block);
    return (members.from - block.from) * columns_.matrices.rank / nr();
  }

  std::size_t flops_of(const Span& members, const Span& block) const {
    const std::size_t columns = (panels_of(block) - first_panel(members, block)) * nr();
    return 2 * members.size() * rows_.matrices.rank * columns * steps() * Step::kDepth;
  }

  // Panel q of the rows of a span: its steps of A, then those of B.
  void pack(const Side<T>& side, const Span& rows, std::size_t q, std::size_t width, T* panels) const {
    const LowRankMatrices& matrices = side.matrices;
    const std::size_t row = rows.from + q * width, lanes = std::min(width, rows.to - row);
    T* panel = panels + q * width * steps();
    pack_rows_of<Step>(matrices.a, matrices.rank, side.a_scales.data(), row, lanes, width, panel);
    pack_rows_of<Step>(matrices.b, matrices.rank, side.b_scales.data(), row, lanes, width, panel + width * a_steps_);
  }

  // All columns of a block with the rows of some matrices. Every column of a product is summed over the rows of its
  // matrix in their order, and then the columns are: where they lie in panels changes no bit.
  void multiply(const Span& members, const Span& block, const T* column_panels, double* products) const {
    const std::size_t first = first_panel(members, block), panels = panels_of(block);
    if (first >= panels) return;
    const std::size_t rank = rows_.matrices.rank, columns = panels * nr();
    const Span rows{members.from * rank, members.to * rank};
    AlignedBuffer<double> sums = AlignedBuffer<double>::zeros(members.size() * columns);
    Scratch<T> row_panels(ceil_div(std::min(kRows, rows.size()), mr()) * mr() * steps());
    Scratch<T> tiles(2 * ceil_div(std::min(kRows, rows.size()), mr()) * mr() * nr());
    for (std::size_t row = rows.from; row < rows.to; row += kRows) {
      const Span chunk{row, std::min(rows.to, row + kRows)};
      for (std::size_t p = 0; p < ceil_div(chunk.size(), mr()); ++p) pack(rows_, chunk, p, mr(), row_panels.data());
      for (std::size_t q = first; q < panels; ++q) {
        context_.control.throw_if_aborted();
        const T* panel = column_panels + q * nr() * steps();
        const T* next = q + 1 < panels ? panel + nr() * steps() : nullptr;
        const std::size_t count = wanted_rows(chunk, block, q), present = ceil_div(count, mr());
        T *a = tiles.data(), *b = a + present * mr() * nr();
        multiply_panel({0, a_steps_}, present, row_panels.data(), panel, next, a);
        multiply_panel({a_steps_, steps()}, present, row_panels.data(), panel, next, b);
        add({chunk.from, chunk.from + count}, members.from, columns, a, b, sums.data() + q * nr());
        context_.control.advance(2 * chunk.size() * nr() * steps() * Step::kDepth);
      }
    }
    sum_up(members, block, sums.data(), columns, products);
  }

  // How many rows of a chunk have a cell that is wanted in panel q.
  std::size_t wanted_rows(const Span& chunk, const Span& block, std::size_t q) const {
    if (!symmetric_) return chunk.size();
    const std::size_t rank = rows_.matrices.rank;
    const std::size_t last = std::min(block.to - 1, block.from + ((q + 1) * nr() - 1) / rank);
    return std::min(chunk.size(), (last + 1) * rank - chunk.from);
  }

  // The micro-tiles of one column panel with some row panels, over some of their steps. Meanwhile the same part of the
  // next panel is fetched.
  void multiply_panel(const Span& part, std::size_t row_panels, const T* rows, const T* panel, const T* next,
                      T* tiles) const {
    const std::size_t line = 64 / sizeof(T);
    for (std::size_t s0 = part.from; s0 < part.to; s0 += strip_) {
      const std::size_t count = std::min(strip_, part.to - s0);
      const std::size_t lines = count * nr() / line, each = count / 4;
      for (std::size_t p = 0; p < row_panels; ++p) {
        const bool ahead = next != nullptr && (p + 1) * each <= lines;
        tile_(count, rows + (p * steps() + s0) * mr(), panel + s0 * nr(), tiles + p * mr() * nr(), s0 == part.from,
              ahead ? next + s0 * nr() + p * each * line : nullptr);
      }
    }
    if (part.size() == 0) std::fill(tiles, tiles + row_panels * mr() * nr(), T(0));
  }

  // Adds w_k (A_k·A'_l)(B_k·B'_l) to the sums of the matrices that rows belong to.
  void add(const Span& rows, std::size_t first, std::size_t columns, const T* a, const T* b, double* sums) const {
    const std::size_t rank = rows_.matrices.rank;
    for (std::size_t row = rows.from; row < rows.to;) {
      const std::size_t at = row - rows.from, matrix = row / rank;
      const std::size_t count = std::min(rows.to, (matrix + 1) * rank) - row;
      kernels_.weigh_products(count, rows_.weights.data() + row, a + at * nr(), b + at * nr(),
                              sums + (matrix - first) * columns);
      row += count;
    }
  }

  void sum_up(const Span& members, const Span& block, const double* sums, std::size_t columns, double* products) const {
    const std::size_t rank = columns_.matrices.rank;
    for (std::size_t i = members.from; i < members.to; ++i, sums += columns) {
      for (std::size_t j = symmetric_ ? std::max(i, block.from) : block.from; j < block.to; ++j) {
        double sum = 0;
        for (std::size_t l = 0; l < rank; ++l) {
          sum += columns_.weights[j * rank + l] * sums[(j - block.from) * rank + l];
        }
        products[i * columns_.matrices.count + j] = sum;
      }
    }
  }

  const Context& context_;
  const MicroKernels<T>& kernels_;
  const TileKernel tile_;
  const bool symmetric_;
  const Side<T> rows_, columns_;
  const std::size_t a_steps_, b_steps_;
  std::size_t strip_, per_task_, per_block_;
};

bool of_pairs(const LowRankMatrices& matrices) {
  return matrices.a.format == NumberFormat::kBFloat16 && matrices.b.format == NumberFormat::kBFloat16;
}

}  // namespace

template <class T>
void low_rank_products(const Context& context, const LowRankMatrices& rows, const LowRankMatrices& columns,
                       bool symmetric, double* products) {
  TENSIM_ASSERT(rows.a.depth == columns.a.depth && rows.b.depth == columns.b.depth);
  TENSIM_ASSERT(rows.rank > 0 && columns.rank > 0 && rows.a.depth + rows.b.depth > 0);
  if constexpr (std::is_same_v<T, float>) {
    if (context.kernels.pair_tile != nullptr && of_pairs(rows) && of_pairs(columns)) {
      LowRankProducts<Pairs>(context, context.kernels.pair_tile, rows, columns, symmetric).run(products);
      return;
    }
  }
  LowRankProducts<Numbers<T>>(context, context.kernels.of<T>().tile, rows, columns, symmetric).run(products);
}

template void low_rank_products<double>(const Context&, const LowRankMatrices&, const LowRankMatrices&, bool, double*);
template void low_rank_products<float>(const Context&, const LowRankMatrices&, const LowRankMatrices&, bool, double*);

}  // namespace tensim
