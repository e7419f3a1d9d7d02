#pragma once

#include <cstddef>
#include <vector>

#include "passes.h"

namespace tensim {

template <class T>
struct SoftmaxAttentionPass {
  std::size_t outputs = 0;
  std::size_t heads = 1, kv_heads = 1, size = 0, value_size = 0;
  bool causal = false;
  std::size_t window = 0;  // 0: none
  T scale = 1, softcap = 0;
  std::size_t turning = 0;
  bool interleaved = false;
  PackedMap<T> q, k, v, o;
  std::vector<T> q_norm, k_norm;  // of a head or of all; empty: none
  double norm_epsilon = 0;
  std::vector<T> turns;   // empty: no rotary embedding
  std::vector<T> slopes;  // of ALiBi; empty: none
  T alpha = 0, beta = 1;

  SoftmaxAttentionPass(const MicroKernels<T>& kernels, const SoftmaxAttentionView& layer, std::size_t positions);
  std::size_t wide() const { return (heads + kv_heads) * size + kv_heads * value_size; }
  std::size_t joined() const { return heads * value_size; }
  std::size_t bytes() const;
  double flops_per_row(std::size_t positions) const;
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;
};

// cos and sin of the rotary embedding, (positions, turning), and how fast the scores of every head fall with the
// distance (ALiBi); empty where there is none.
template <class T>
std::vector<T> softmax_turns(const SoftmaxAttentionView& layer, std::size_t positions);
template <class T>
std::vector<T> softmax_falls(const SoftmaxAttentionView& layer);

// concat_heads Σ_t softmax_t(scores) v_t into `joined`: a block of queries at a time, scores = Q Kᵀ with the keys of a
// head transposed, so that positions are contiguous.
template <class T>
void attend_softly(const Context& context, const SoftmaxAttentionPass<T>& pass, const T* q, const T* k, const T* v,
                   std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch);

template <class T>
struct PositionsPass {
  std::size_t outputs = 0;
  std::vector<T> added;  // (positions, features)

  PositionsPass(const PositionsView& layer, std::size_t positions);
  std::size_t wide() const { return 0; }
  std::size_t joined() const { return 0; }
  std::size_t bytes() const { return added.size() * sizeof(T); }
  double flops_per_row(std::size_t) const { return static_cast<double>(outputs); }
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;
};

}  // namespace tensim
