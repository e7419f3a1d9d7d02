#include "softmax_attention.h"

#include <algorithm>
#include <cmath>

#include "../core/error.h"
#include "norm.h"
#include "rotary.h"
#include "rows.h"

namespace tensim {
namespace {

// Queries whose scores are computed together.
constexpr std::size_t kQueryBlock = 32;

// 2^−mi/H of head i from 1 where H is a power of two; else those of the power below, and every other one of the power
// above.
template <class T>
std::vector<T> alibi_slopes(std::size_t heads, double most) {
  std::size_t below = 1;
  while (2 * below <= heads) below *= 2;
  std::vector<T> slopes;
  for (std::size_t i = 0; i < heads; ++i) {
    const double power = i < below ? static_cast<double>(i + 1) / static_cast<double>(below)
                                   : static_cast<double>(2 * (i - below) + 1) / static_cast<double>(2 * below);
    slopes.push_back(static_cast<T>(std::exp2(-most * power)));
  }
  return slopes;
}

// Norms and turns of the heads of every row.
template <class T>
void prepare_heads(const SoftmaxAttentionPass<T>& pass, const std::vector<T>& norm, std::size_t width, std::size_t rows,
                   std::size_t positions, T* heads) {
  if (!norm.empty()) {
    for (T* part = heads; part < heads + rows * width; part += norm.size())
      normalise<T>(part, norm.size(), false, pass.norm_epsilon, norm.data(), nullptr, part);
  }
  if (pass.turns.empty()) return;
  for (std::size_t row = 0; row < rows; ++row) {
    const T* turns = pass.turns.data() + row % positions * pass.turning;
    for (std::size_t at = 0; at < width; at += pass.size)
      rotate(turns, pass.turning, pass.interleaved, heads + row * width + at);
  }
}

// The scores of one query as weights that add up to 1: those of the positions it sees, zeros for all others up to
// `seen`.
template <class T>
void soften(const SoftmaxAttentionPass<T>& pass, std::size_t head, std::size_t s, std::size_t positions,
            std::size_t seen, T* scores) {
  const std::size_t reach = pass.window == 0 ? positions : pass.window;
  const std::size_t begin = s + 1 > reach ? s + 1 - reach : 0;
  const std::size_t end = pass.causal ? s + 1 : std::min(positions, reach > positions - s ? positions : s + reach);
  for (std::size_t t = begin; t < end; ++t) {
    T score = scores[t] * pass.scale;
    if (pass.softcap != T(0)) score = pass.softcap * std::tanh(score / pass.softcap);
    if (!pass.slopes.empty()) score -= pass.slopes[head] * static_cast<T>(s > t ? s - t : t - s);
    scores[t] = score;
  }
  const T most = *std::max_element(scores + begin, scores + end);
  double sum = 0;
  for (std::size_t t = begin; t < end; ++t) {
    scores[t] = std::exp(scores[t] - most);
    sum += static_cast<double>(scores[t]);
  }
  for (std::size_t t = begin; t < end; ++t) scores[t] = static_cast<T>(static_cast<double>(scores[t]) / sum);
  std::fill(scores, scores + begin, T(0));
  std::fill(scores + end, scores + seen, T(0));
}

}  // namespace

template <class T>
std::vector<T> softmax_turns(const SoftmaxAttentionView& layer, std::size_t positions) {
  const std::size_t turning = layer.turning;
  if (!absent(layer.frequencies))
    return rotations_of<T>(positions, vector_of(layer.frequencies, turning / 2), layer.rotary_factor);
  if (layer.rotary_base > 0) return rotations<T>(positions, turning, layer.rotary_base, layer.rotary_scaling);
  return {};
}

template <class T>
std::vector<T> softmax_falls(const SoftmaxAttentionView& layer) {
  return layer.alibi > 0 ? alibi_slopes<T>(layer.heads, layer.alibi) : std::vector<T>();
}

template <class T>
SoftmaxAttentionPass<T>::SoftmaxAttentionPass(const MicroKernels<T>& kernels, const SoftmaxAttentionView& layer,
                                              std::size_t positions)
    : outputs(layer.outputs()),
      heads(layer.heads),
      kv_heads(layer.kv_heads),
      size(layer.size()),
      value_size(layer.value_size()),
      causal(layer.causal),
      window(layer.window),
      scale(static_cast<T>(layer.scale)),
      softcap(static_cast<T>(layer.softcap)),
      turning(layer.turning),
      interleaved(layer.interleaved),
      q(kernels, {layer.q}, {layer.q_bias}),
      k(kernels, {layer.k}, {layer.k_bias}),
      v(kernels, {layer.v}, {layer.v_bias}),
      o(kernels, {layer.o}, {layer.o_bias}),
      q_norm(gains<T>(layer.q_norm, layer.q_norm.rows, layer.norm_offset)),
      k_norm(gains<T>(layer.k_norm, layer.k_norm.rows, layer.norm_offset)),
      norm_epsilon(layer.norm_epsilon),
      alpha(static_cast<T>(layer.alpha)),
      beta(static_cast<T>(layer.beta)) {
  turns = softmax_turns<T>(layer, positions);
  slopes = softmax_falls<T>(layer);
}

template <class T>
std::size_t SoftmaxAttentionPass<T>::bytes() const {
  const std::size_t numbers = q_norm.size() + k_norm.size() + turns.size() + slopes.size();
  return q.bytes() + k.bytes() + v.bytes() + o.bytes() + numbers * sizeof(T);
}

template <class T>
double SoftmaxAttentionPass<T>::flops_per_row(std::size_t positions) const {
  const double maps = q.flops_per_row() + k.flops_per_row() + v.flops_per_row() + o.flops_per_row();
  return maps +
         2.0 * static_cast<double>(heads) * static_cast<double>(size + value_size + 8) * static_cast<double>(positions);
}

template <class T>
void SoftmaxAttentionPass<T>::apply(const Context& context, std::size_t rows, std::size_t positions,
                                    ForwardScratch<T>& scratch) const {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const T* x = scratch.x.data();
  const std::size_t query_width = heads * size, key_width = kv_heads * size;
  T* queries = scratch.wide.data();
  T* keys = queries + rows * query_width;
  T* values = keys + rows * key_width;
  q.apply(kernels, x, rows, queries, scratch.panels);
  k.apply(kernels, x, rows, keys, scratch.panels);
  v.apply(kernels, x, rows, values, scratch.panels);
  prepare_heads(*this, q_norm, query_width, rows, positions, queries);
  prepare_heads(*this, k_norm, key_width, rows, positions, keys);
  attend_softly(context, *this, queries, keys, values, rows, positions, scratch);
  o.apply(kernels, scratch.joined.data(), rows, scratch.y.data(), scratch.panels);
  add_residual(alpha, x, beta, rows * outputs, scratch.y.data());
}

template <class T>
void attend_softly(const Context& context, const SoftmaxAttentionPass<T>& pass, const T* q, const T* k, const T* v,
                   std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const std::size_t n = positions, size = pass.size, sharing = pass.heads / pass.kv_heads;
  const std::size_t query_width = pass.heads * size, key_width = pass.kv_heads * size;
  const std::size_t value_width = pass.kv_heads * pass.value_size, width = pass.joined();
  const auto key_step = static_cast<std::ptrdiff_t>(n);
  if (scratch.keys.size() < size * n) scratch.keys = AlignedBuffer<T>(size * n);
  if (scratch.scores.size() < kQueryBlock * n) scratch.scores = AlignedBuffer<T>(kQueryBlock * n);
  T *keys = scratch.keys.data(), *scores = scratch.scores.data();
  for (std::size_t first = 0; first < rows; first += n) {
    for (std::size_t head = 0; head < pass.heads; ++head) {
      const std::size_t shared = head / sharing;
      if (head % sharing == 0) {
        for (std::size_t t = 0; t < n; ++t) {
          const T* key = k + (first + t) * key_width + shared * size;
          for (std::size_t i = 0; i < size; ++i) keys[i * n + t] = key[i];
        }
      }
      for (std::size_t s0 = 0; s0 < n; s0 += kQueryBlock) {
        context.control.throw_if_aborted();
        const std::size_t count = std::min(kQueryBlock, n - s0), seen = pass.causal ? s0 + count : n;
        const T* queries = q + (first + s0) * query_width + head * size;
        kernels.small({{queries, static_cast<std::ptrdiff_t>(query_width), 1},
                       {keys, key_step},
                       {scores, key_step},
                       count,
                       seen,
                       size,
                       true});
        for (std::size_t s = 0; s < count; ++s) soften(pass, head, s0 + s, n, seen, scores + s * n);
        kernels.small({{scores, key_step, 1},
                       {v + first * value_width + shared * pass.value_size, static_cast<std::ptrdiff_t>(value_width)},
                       {scratch.joined.data() + (first + s0) * width + head * pass.value_size,
                        static_cast<std::ptrdiff_t>(width)},
                       count,
                       pass.value_size,
                       seen,
                       true});
      }
    }
  }
}

template <class T>
PositionsPass<T>::PositionsPass(const PositionsView& layer, std::size_t positions) : outputs(layer.outputs()) {
  if (layer.weight.rows < positions) throw Error("SHAPE_MISMATCH", "there are more positions than were learned");
  for (std::size_t s = 0; s < positions; ++s) {
    for (std::size_t i = 0; i < outputs; ++i) added.push_back(static_cast<T>(element(layer.weight, s, i)));
  }
}

template <class T>
void PositionsPass<T>::apply(const Context&, std::size_t rows, std::size_t, ForwardScratch<T>& scratch) const {
  const T* x = scratch.x.data();
  T* y = scratch.y.data();
  for (std::size_t i = 0; i < rows * outputs; ++i) y[i] = x[i] + added[i % added.size()];
}

#define TENSIM_INSTANTIATE(T)                                                                         \
  template std::vector<T> softmax_turns<T>(const SoftmaxAttentionView& layer, std::size_t positions); \
  template std::vector<T> softmax_falls<T>(const SoftmaxAttentionView& layer);                        \
  template struct SoftmaxAttentionPass<T>;                                                            \
  template struct PositionsPass<T>;
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
