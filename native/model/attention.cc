#include "attention.h"

#include <algorithm>

#include "rotary.h"
#include "rows.h"

namespace tensim {
namespace {

// Queries whose scores are computed together.
constexpr std::size_t kQueryBlock = 32;

}  // namespace

template <class T>
AttentionPass<T>::AttentionPass(const MicroKernels<T>& kernels, const AttentionView& layer, std::size_t positions)
    : outputs(layer.outputs()),
      inner(layer.inner()),
      heads(layer.heads),
      causal(layer.causal),
      output(kernels, {layer.o}, {layer.o_bias}),
      alpha(static_cast<T>(layer.alpha)),
      beta(static_cast<T>(layer.beta)) {
  const auto matrices = layer.projections(), biases = layer.projection_biases();
  projections = PackedMap<T>(kernels, {matrices.begin(), matrices.end()}, {biases.begin(), biases.end()});
  if (layer.rotary_base > 0) turns = rotations<T>(positions, inner / heads, layer.rotary_base);
}

template <class T>
void AttentionPass<T>::apply(const Context& context, std::size_t rows, std::size_t positions,
                             ForwardScratch<T>& scratch) const {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  projections.apply(kernels, scratch.x.data(), rows, scratch.wide.data(), scratch.panels);
  attend(context, *this, rows, positions, scratch);
  output.apply(kernels, scratch.joined.data(), rows, scratch.y.data(), scratch.panels);
  add_residual(alpha, scratch.x.data(), beta, rows * outputs, scratch.y.data());
}

template <class T>
void attend(const Context& context, const AttentionPass<T>& pass, std::size_t rows, std::size_t positions,
            ForwardScratch<T>& scratch) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const std::size_t width = pass.inner, size = width / pass.heads, stride = pass.wide(), n = positions;
  const auto row_stride = static_cast<std::ptrdiff_t>(stride);
  T* projected = scratch.wide.data();
  if (!pass.turns.empty()) {
    for (std::size_t row = 0; row < rows; ++row) {
      const T* turns = pass.turns.data() + row % n * size;
      for (std::size_t head = 0; head < 4 * pass.heads; ++head)
        rotate(turns, size, false, projected + row * stride + head * size);
    }
  }
  if (scratch.keys.size() < 2 * size * n) scratch.keys = AlignedBuffer<T>(2 * size * n);
  if (scratch.scores.size() < 2 * kQueryBlock * n) scratch.scores = AlignedBuffer<T>(2 * kQueryBlock * n);
  T *keys1 = scratch.keys.data(), *keys2 = keys1 + size * n;
  T *scores1 = scratch.scores.data(), *scores2 = scores1 + kQueryBlock * n;
  const auto key_step = static_cast<std::ptrdiff_t>(n);
  const T scale = T(1) / static_cast<T>(size * size);
  for (std::size_t first = 0; first < rows; first += n) {
    for (std::size_t head = 0; head < pass.heads; ++head) {
      const T* base = projected + first * stride + head * size;
      for (std::size_t t = 0; t < n; ++t) {
        for (std::size_t i = 0; i < size; ++i) {
          keys1[i * n + t] = base[t * stride + width + i];
          keys2[i * n + t] = base[t * stride + 3 * width + i];
        }
      }
      for (std::size_t s0 = 0; s0 < n; s0 += kQueryBlock) {
        context.control.throw_if_aborted();
        const std::size_t count = std::min(kQueryBlock, n - s0), seen = pass.causal ? s0 + count : n;
        const T* query = base + s0 * stride;
        kernels.small({{query, row_stride, 1}, {keys1, key_step}, {scores1, key_step}, count, seen, size, true});
        kernels.small(
            {{query + 2 * width, row_stride, 1}, {keys2, key_step}, {scores2, key_step}, count, seen, size, true});
        for (std::size_t s = 0; s < count; ++s) {
          T* row = scores1 + s * n;
          kernels.multiply(seen, scale, row, T(1), scores2 + s * n, row, false);
          if (pass.causal) std::fill(row + s0 + s + 1, row + seen, T(0));
        }
        T* joined = scratch.joined.data() + (first + s0) * width + head * size;
        kernels.small({{scores1, key_step, 1},
                       {base + 4 * width, row_stride},
                       {joined, static_cast<std::ptrdiff_t>(width)},
                       count,
                       size,
                       seen,
                       true});
      }
    }
  }
}

template struct AttentionPass<double>;
template struct AttentionPass<float>;

}  // namespace tensim
