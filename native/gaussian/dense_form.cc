#include "dense_form.h"

#include <algorithm>
#include <cmath>

#include "../core/assert.h"
#include "../core/matrix.h"
#include "../core/scratch.h"
#include "../gemm/pack_rows.h"

namespace tensim {
namespace {

constexpr std::size_t kLargestTile = 1024;  // elements; no kernel's tile is larger
// Rows that take their turn at a panel of columns while it is in the first cache.
constexpr std::size_t kRows = 16;
// Elements in a task: what it reads of L and R is used by some rows.
constexpr std::size_t kElementsPerTask = 8192;

// Where row i begins, less i: element (i, j) is row_start(i) + j.
std::size_t row_start(std::size_t inputs, std::size_t i) {
  return i * inputs - i * (i + 1) / 2;
}

// The row of a packed element.
std::size_t row_of(std::size_t inputs, std::size_t element) {
  std::size_t low = 0, high = inputs;
  while (high - low > 1) {
    const std::size_t middle = (low + high) / 2;
    (row_start(inputs, middle) + middle <= element ? low : high) = middle;
  }
  return low;
}

// l and r of every unit at rows i, i + 1 …: own[(2·h + {0, 1}) + 2·units·row]. From the panels they would be read again
// for every panel of columns, each from a cache line of its own.
template <class T>
void copy_rows(const FormFactors<T>& factors, std::size_t width, std::size_t i, std::size_t rows, T* own) {
  const std::size_t units = factors.units;
  for (std::size_t row = 0; row < rows; ++row, ++i) {
    const std::size_t at = i / width * width * units + i % width;
    const T *left = factors.left.data() + at, *right = factors.right.data() + at;
    for (std::size_t h = 0; h < units; ++h, own += 2) {
      own[0] = left[h * width];
      own[1] = right[h * width];
    }
  }
}

}  // namespace

template <class T>
FormFactors<T> form_factors(const Context& context, const QuadraticMap& map) {
  TENSIM_ASSERT(absent(map.embedding.view));
  const auto width = static_cast<std::size_t>(context.kernels.of<T>().nr) / 2;
  FormFactors<T> factors;
  factors.inputs = map.inputs;
  factors.outputs = map.outputs;
  factors.units = map.left.view.rows;
  factors.left = pack_rows<T>(context, map.left.view.transpose(), width);
  factors.right = pack_rows<T>(context, map.right.view.transpose(), width);
  factors.down = AlignedBuffer<T>::lasting(factors.units * factors.outputs);
  T* to = factors.down.data();
  for (std::size_t h = 0; h < factors.units; ++h) {
    for (std::size_t c = 0; c < factors.outputs; ++c) *to++ = static_cast<T>(element(map.down.view, c, h));
  }
  return factors;
}

template <class T>
std::vector<OutputGroup> output_groups(const MicroKernels<T>& kernels, std::size_t outputs) {
  const auto most = 2 * static_cast<std::size_t>(kernels.mr);
  const std::size_t count = (outputs + most - 1) / most;
  std::vector<OutputGroup> groups;
  for (std::size_t g = 0; g < count; ++g) {
    const std::size_t first = outputs * g / count;
    groups.push_back({first, outputs * (g + 1) / count - first});
  }
  return groups;
}

// By summing the forms of single units, o·h·k² flops: half of what k×k products per output would take, and nothing is
// stored but the result. Some rows pass over a panel of columns before the next comes in.
template <class T>
void expand(const Context& context, const FormFactors<T>& factors, const OutputGroup& group, std::size_t begin,
            std::size_t end, T* to, std::size_t to_row) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const std::size_t inputs = factors.inputs, units = factors.units;
  const std::size_t width = static_cast<std::size_t>(kernels.nr) / 2, vector = static_cast<std::size_t>(kernels.width);
  TENSIM_ASSERT(2 * static_cast<std::size_t>(kernels.mr) * width <= kLargestTile && begin < end);
  const T diagonal = static_cast<T>(std::sqrt(0.5));
  const std::size_t last = row_of(inputs, end - 1) + 1;
  Scratch<T> own(2 * units * kRows);
  T crossed[kLargestTile];
  for (std::size_t i0 = row_of(inputs, begin); i0 < last; i0 += kRows) {
    context.control.throw_if_aborted();
    const std::size_t i1 = std::min(last, i0 + kRows);
    copy_rows(factors, width, i0, i1 - i0, own.data());
    // The columns of row i within the range.
    const auto from_column = [&](std::size_t i) {
      return std::max(i, std::max(begin, row_start(inputs, i)) - row_start(inputs, i));
    };
    const auto to_column = [&](std::size_t i) { return std::min(inputs, end - row_start(inputs, i)); };
    std::size_t first = inputs;
    for (std::size_t i = i0; i < i1; ++i) first = std::min(first, from_column(i));
    for (std::size_t j = first / width * width; j < inputs; j += width) {
      // The next panels come in from memory, a line per unit of every row.
      const std::size_t lines = (width * sizeof(T) + 63) / 64, next = j + width;
      const auto fetched = [&](std::size_t row) -> const T* {
        if (next >= inputs || row >= 2 * lines) return nullptr;
        const AlignedBuffer<T>& panels = row < lines ? factors.left : factors.right;
        return panels.data() + next * units + row % lines * units * (64 / sizeof(T));
      };
      for (std::size_t i = i0; i < i1; ++i) {
        const std::size_t low = std::max(j, from_column(i)), high = std::min(j + width, to_column(i));
        if (low >= high) continue;
        T* const place = to + row_start(inputs, i) + low - begin;  // of (i, low) in the first output
        const std::size_t skipped = (low - j) / vector * vector, ahead = low - j - skipped;
        const T* const own_row = own.data() + (i - i0) * 2 * units;
        kernels.form({units,
                      {own_row, own_row + 1, 2},
                      {factors.left.data() + j * units + skipped, factors.right.data() + j * units + skipped},
                      {factors.down.data() + group.first, static_cast<std::ptrdiff_t>(factors.outputs)},
                      {ahead == 0 ? place : crossed, static_cast<std::ptrdiff_t>(ahead == 0 ? to_row : width)},
                      static_cast<int>(group.count),
                      static_cast<int>(high - j - skipped),
                      fetched(i - i0)});
        if (ahead > 0) {  // the vector that the diagonal crosses, or the beginning of the range
          for (std::size_t c = 0; c < group.count; ++c)
            std::copy_n(crossed + c * width + ahead, high - low, place + c * to_row);
        }
        if (low == i) {
          for (std::size_t c = 0; c < group.count; ++c) place[c * to_row] *= diagonal;
        }
      }
    }
  }
}

template <class T>
AlignedBuffer<T> dense_form(const Context& context, const FormFactors<T>& factors) {
  const std::size_t size = dense_form_size(factors.inputs);
  AlignedBuffer<T> forms = AlignedBuffer<T>::lasting(factors.outputs * size);
  if (factors.units == 0) {
    forms.clear();
    return forms;
  }
  const std::vector<OutputGroup> groups = output_groups(context.kernels.of<T>(), factors.outputs);
  const std::size_t tasks = (size + kElementsPerTask - 1) / kElementsPerTask;
  context.parallel_for(tasks, [&](std::size_t task) {
    const std::size_t begin = task * kElementsPerTask, end = std::min(size, begin + kElementsPerTask);
    for (const OutputGroup& group : groups)
      expand(context, factors, group, begin, end, forms.data() + group.first * size + begin, size);
  });
  return forms;
}

#define TENSIM_INSTANTIATE(T)                                                                                      \
  template FormFactors<T> form_factors<T>(const Context&, const QuadraticMap&);                                    \
  template std::vector<OutputGroup> output_groups<T>(const MicroKernels<T>&, std::size_t);                         \
  template void expand<T>(const Context&, const FormFactors<T>&, const OutputGroup&, std::size_t, std::size_t, T*, \
                          std::size_t);                                                                            \
  template AlignedBuffer<T> dense_form<T>(const Context&, const FormFactors<T>&);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
