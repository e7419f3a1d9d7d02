#include "pair_kernel.h"

#include <algorithm>

#include "../core/aligned_buffer.h"
#include "../core/assert.h"
#include "../gaussian/dense_form.h"

namespace tensim {
namespace {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

// Row panels per part. With 6-row panels that is 48 hidden units: some milliseconds of work at h = d = 1024, which is
// how soon an abort is noticed, and partial products of at most 96 × 32 doubles, which fit the first cache.
constexpr std::size_t kPanelsPerPart = 16;
// Steps of a product that a cache line is fetched in, and its bytes (gemm/kernels.h).
constexpr std::size_t kFetchSteps = 2, kLine = 64;

}  // namespace

template <class T>
PairKernel<T>::PairKernel(const Context& context) : context_(context), kernels_(context.kernels.of<T>()) {
  // A column panel is read once per row panel, so it should stay in the second cache: at most a quarter of it.
  static const CacheSizes caches = cache_sizes();
  most_ = std::max<std::size_t>(256, caches.l2 / (4 * static_cast<std::size_t>(kernels_.nr) * sizeof(T)));
}

template <class T>
std::size_t PairKernel<T>::parts(const PreparedModel<T>& a, const PreparedModel<T>& b) const {
  return b.units == 0 ? 0 : ceil_div(a.row_panel_count, kPanelsPerPart);
}

template <class T>
std::size_t PairKernel<T>::flops(const PreparedModel<T>& a, const PreparedModel<T>& b, std::size_t part) const {
  const std::size_t row_units = static_cast<std::size_t>(kernels_.mr) / 2, first = part * kPanelsPerPart * row_units;
  const std::size_t units = std::min(kPanelsPerPart * row_units, a.units - first);
  return 2 * units * b.units * (4 * b.depth + a.outputs);
}

template <class T>
const T* PairKernel<T>::panels(const PreparedModel<T>& a, std::size_t part) const {
  return a.row_panels.data() + part * kPanelsPerPart * static_cast<std::size_t>(kernels_.mr) * a.depth;
}

template <class T>
std::size_t PairKernel<T>::panel_count(const PreparedModel<T>& a, std::size_t part) const {
  return std::min(a.row_panel_count - part * kPanelsPerPart, kPanelsPerPart);
}

template <class T>
void PairKernel<T>::run(const PreparedModel<T>& a, const PreparedModel<T>& b, std::size_t part, const T* row_panels,
                        double* sums, const T* following) const {
  const auto mr = static_cast<std::size_t>(kernels_.mr), nr = static_cast<std::size_t>(kernels_.nr);
  const auto lanes = static_cast<std::size_t>(kernels_.lanes);
  const std::size_t depth = b.depth, outputs = a.outputs;
  TENSIM_ASSERT(part < parts(a, b) && a.outputs == b.outputs && (a.unfolded() || a.depth == b.depth));
  const std::size_t kc = depth == 0 ? 1 : ceil_div(depth, ceil_div(depth, most_));
  const std::size_t p0 = part * kPanelsPerPart, count = panel_count(a, part);
  const bool blocked = kc < depth;

  const std::vector<OutputGroup> groups = output_groups(kernels_, outputs);
  AlignedBuffer<double> lane_sums = AlignedBuffer<double>::zeros(outputs * lanes);
  AlignedBuffer<double> partial(blocked ? count * mr * nr : 0);
  AlignedBuffer<T> values(count * mr / 2 * nr / 2);
  for (std::size_t q = 0; q < b.column_panel_count; ++q) {
    context_.control.throw_if_aborted();
    const T* column_panel = b.column_panels.data() + q * nr * depth;
    const T* next = q + 1 < b.column_panel_count ? column_panel + nr * depth : following;
    for (std::size_t k0 = 0; k0 < depth || k0 == 0; k0 += kc) {
      const std::size_t steps = std::min(kc, depth - k0);
      const bool last = k0 + steps >= depth;
      for (std::size_t p = 0; p < count; ++p) {
        const T* row_panel = row_panels + p * mr * depth + k0 * mr;
        double* products = blocked ? partial.data() + p * mr * nr : nullptr;
        // Row panels fetch one after the other.
        const std::size_t fetched = p * (steps / kFetchSteps) * (kLine / sizeof(T));
        const T* ahead = next == nullptr || fetched >= steps * nr ? nullptr : next + k0 * nr + fetched;
        if (!last) {
          kernels_.pair_partial(steps, row_panel, column_panel + k0 * nr, products, k0 == 0, ahead);
        } else {
          kernels_.pair_values(steps, row_panel, column_panel + k0 * nr, products, values.data() + p * mr / 2 * nr / 2,
                               ahead);
        }
      }
    }
    for (const OutputGroup& group : groups) {
      kernels_.pair_weigh({count * mr / 2,
                           {a.row_weights.data() + a.row_panel_count * mr / 2 * group.first + p0 * mr / 2 * group.count,
                            static_cast<std::ptrdiff_t>(group.count)},
                           values.data(),
                           b.column_weights.data() + (q * outputs + group.first) * nr / 2,
                           static_cast<int>(group.count),
                           lane_sums.data() + group.first * lanes});
    }
  }
  for (std::size_t c = 0; c < outputs; ++c) {
    double sum = 0;
    for (std::size_t lane = 0; lane < lanes; ++lane) sum += lane_sums[c * lanes + lane];
    sums[c] = sum;
  }
}

template class PairKernel<double>;
template class PairKernel<float>;

}  // namespace tensim
