#include "dense_form.h"

#include <algorithm>
#include <cmath>

#include "../core/assert.h"
#include "../gemm/pack_rows.h"

namespace tensim {
namespace {

// Column panels in a task.
constexpr std::size_t kPanels = 8;
constexpr std::size_t kLargestTile = 1024;  // elements; no kernel's tile is larger

}  // namespace

// By summing the forms of single units, o·h·k² flops: half of what k×k products per output would take, and nothing is
// stored but the result.
template <class T>
AlignedBuffer<T> dense_form(const Context& context, const QuadraticMap& map) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const auto most = 2 * static_cast<std::size_t>(kernels.mr), width = static_cast<std::size_t>(kernels.nr) / 2;
  TENSIM_ASSERT(most * width <= kLargestTile && absent(map.embedding.view));
  const std::size_t inputs = map.inputs, outputs = map.outputs, units = map.left.view.rows;
  const std::size_t size = dense_form_size(inputs);
  AlignedBuffer<T> forms = AlignedBuffer<T>::lasting(outputs * size);
  if (units == 0) {
    forms.clear();
    return forms;
  }
  const AlignedBuffer<T> left = pack_rows<T>(context, map.left.view.transpose(), width),
                         right = pack_rows<T>(context, map.right.view.transpose(), width);
  const Matrix<T> down = Matrix<T>::copy(map.down.view.transpose());
  // Outputs at a time, in groups of nearly the same size.
  const std::size_t groups = (outputs + most - 1) / most;
  const T diagonal = static_cast<T>(std::sqrt(0.5));

  // A task is a block of columns of the upper triangle: what it reads of L and R stays in the second cache, and it
  // writes long stretches.
  const std::size_t in_task = kPanels * width;
  context.parallel_for((inputs + in_task - 1) / in_task, [&](std::size_t task) {
    const std::size_t j0 = task * in_task, j1 = std::min(inputs, j0 + in_task);
    for (std::size_t i = 0; i < j1; ++i) {
      if (i % 64 == 0) context.control.throw_if_aborted();
      T* const row = forms.data() + i * inputs - i * (i + 1) / 2;     // element (i, j) is row[j]
      const std::size_t own = i / width * width * units + i % width;  // of unit 0, in the panels
      for (std::size_t g = 0; g < groups; ++g) {
        const std::size_t c0 = outputs * g / groups, count = outputs * (g + 1) / groups - c0;
        const auto form = [&](std::size_t j, T* out, std::size_t out_row) {
          kernels.form({units,
                        {left.data() + own, right.data() + own, static_cast<std::ptrdiff_t>(width)},
                        {left.data() + j * units, right.data() + j * units},
                        {down.data() + c0, static_cast<std::ptrdiff_t>(outputs)},
                        {out, static_cast<std::ptrdiff_t>(out_row)},
                        static_cast<int>(count),
                        static_cast<int>(std::min(width, j1 - j))});
        };
        std::size_t j = std::max(i / width * width, j0);
        if (j <= i) {  // the panel that the diagonal crosses
          T crossed[kLargestTile];
          form(j, crossed, width);
          for (std::size_t c = 0; c < count; ++c) {
            const T* from = crossed + c * width;
            T* to = row + (c0 + c) * size;
            to[i] = diagonal * from[i - j];
            std::copy(from + i - j + 1, from + std::min(width, j1 - j), to + i + 1);
          }
          j += width;
        }
        for (; j < j1; j += width) form(j, row + c0 * size + j, size);
      }
    }
  });
  return forms;
}

template AlignedBuffer<double> dense_form<double>(const Context&, const QuadraticMap&);
template AlignedBuffer<float> dense_form<float>(const Context&, const QuadraticMap&);

}  // namespace tensim
