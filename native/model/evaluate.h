#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/context.h"
#include "../gaussian/layers.h"
#include "../gemm/packed_matrix.h"

namespace tensim {

// A chain of layers with its weights packed for the forward pass (MATH.md section 1). It owns everything it needs.
template <class T>
class ForwardPass {
 public:
  // The shapes fit from layer to layer. With `tokens` the first layer is linear, and inputs are token ids.
  ForwardPass(const Context& context, const std::vector<LayerView>& layers, std::size_t positions, std::size_t features,
              bool tokens);

  std::size_t positions() const { return positions_; }
  std::size_t outputs() const { return outputs_; }
  // Numbers (or ids) per input.
  std::size_t input_size() const { return tokens_ ? positions_ : positions_ * features_; }
  bool takes_tokens() const { return tokens_; }
  // How many tokens there are: ids are below.
  std::size_t features() const { return features_; }
  std::size_t bytes() const;

  // f of `batch` inputs, (batch, positions, outputs), from vectors (batch, positions, features) of either element type. Threads share
  // the batch out; the result does not depend on them, nor does one input's on the others.
  void evaluate(const Context& context, const MatrixView& vectors, std::size_t batch, T* results) const;
  // The same from ids (batch, positions), all below `features`.
  void evaluate(const Context& context, const std::int32_t* tokens, std::size_t batch, T* results) const;

 private:
  enum class Kind { kGather, kLinear, kBilinear, kAttention };

  struct Layer {
    Kind kind = Kind::kLinear;
    std::size_t outputs = 0;
    // kGather: (tokens, outputs), W e_t + b of every token t.
    AlignedBuffer<T> table;
    // kLinear: W. kBilinear: L over R. kAttention: Q1, K1, Q2, K2 and V, one over the other.
    PackedMatrix<T> in;
    std::vector<T> in_bias;  // empty: none
    // kBilinear: D, absent where it is the identity. kAttention: O.
    bool has_out = false;
    PackedMatrix<T> out;
    std::vector<T> out_bias;
    T alpha = 0, beta = 1;
    std::size_t width = 0;  // hidden units, or heads·d_head
    std::size_t heads = 1;
    bool causal = false;
    std::vector<T> turns;  // cos and sin of every position and pair, one after the other; empty: no rotary embedding
  };

  struct Scratch {
    AlignedBuffer<T> x, y, wide, joined, panels, keys, scores;
  };

  template <class Load>
  void run(const Context& context, std::size_t batch, T* results, const Load& load) const;
  void apply(const Context& context, const Layer& layer, std::size_t rows, Scratch& scratch) const;
  void attend(const Context& context, const Layer& layer, std::size_t rows, Scratch& scratch) const;
  double flops_per_row() const;

  std::size_t positions_ = 1, features_ = 0, outputs_ = 0;
  std::size_t widest_ = 0, widest_inside_ = 0, widest_joined_ = 0;  // of any row of x and y, of `wide`, of `joined`
  bool tokens_ = false;
  std::vector<Layer> layers_;
};

}  // namespace tensim
