#include "metric.h"

#include <algorithm>

#include "../core/assert.h"

namespace tensim {
namespace {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

// Steps of an embedding multiplied at a time: its column panel then stays in the second cache.
constexpr std::size_t kMostSteps = 1024;

}  // namespace

template <class T>
MetricKernel<T>::MetricKernel(const Context& context) : context_(context), kernels_(context.kernels.of<T>()) {}

template <class T>
std::size_t MetricKernel<T>::panels(const PreparedModel<T>& b) const {
  return ceil_div(b.depth, static_cast<std::size_t>(kernels_.nr));
}

template <class T>
std::size_t MetricKernel<T>::size(const PreparedModel<T>& a, const PreparedModel<T>& b) const {
  return panels(b) * static_cast<std::size_t>(kernels_.nr) * a.depth;
}

template <class T>
std::size_t MetricKernel<T>::moved_size(const PreparedModel<T>& b) const {
  return static_cast<std::size_t>(kernels_.mr) * b.depth;
}

template <class T>
std::size_t MetricKernel<T>::flops(const PreparedModel<T>& a, const PreparedModel<T>& b) const {
  return 2 * a.depth * b.depth * (a.inputs + 2 * a.units);
}

template <class T>
void MetricKernel<T>::run(const PreparedModel<T>& a, const PreparedModel<T>& b, std::size_t panel, T* metric) const {
  const auto mr = static_cast<std::size_t>(kernels_.mr), nr = static_cast<std::size_t>(kernels_.nr);
  const std::size_t inputs = a.inputs;
  TENSIM_ASSERT(panel < panels(b) && a.inputs == b.inputs && a.unfolded() && b.unfolded());
  T* column_panel = metric + panel * nr * a.depth;
  for (std::size_t k0 = 0; k0 < inputs || k0 == 0; k0 += kMostSteps) {
    const T* column_steps = b.embedding_columns.data() + (panel * inputs + k0) * nr;
    for (std::size_t i = 0; i < a.depth; i += mr) {
      context_.control.throw_if_aborted();
      const auto rows = static_cast<int>(std::min(mr, a.depth - i));
      kernels_.gemm(std::min(kMostSteps, inputs - k0), a.embedding_rows.data() + i * inputs + k0 * mr, column_steps,
                    {column_panel + i * nr, kernels_.nr, 1, rows, kernels_.nr, k0 == 0});
    }
  }
}

template <class T>
void MetricKernel<T>::move(const PreparedModel<T>& a, const PreparedModel<T>& b, const T* row_panels, std::size_t count,
                           const T* metric, T* moved) const {
  const auto mr = static_cast<std::size_t>(kernels_.mr), nr = static_cast<std::size_t>(kernels_.nr);
  for (std::size_t j = 0; j < b.depth; j += nr) {
    context_.control.throw_if_aborted();
    const int columns = static_cast<int>(std::min(nr, b.depth - j));
    for (std::size_t p = 0; p < count; ++p) {
      // Row panels run along the columns of the product.
      kernels_.gemm(a.depth, row_panels + p * mr * a.depth, metric + j * a.depth,
                    {moved + p * mr * b.depth + j * mr, 1, kernels_.mr, kernels_.mr, columns, true});
    }
  }
}

template class MetricKernel<double>;
template class MetricKernel<float>;

}  // namespace tensim
