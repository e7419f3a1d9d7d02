#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sequence.h"

namespace tensim {

// A chain of layers with its weights packed for the forward pass (MATH.md section 1). It owns everything it needs.
template <class T>
class ForwardPass {
 public:
  // The shapes fit from layer to layer. With `tokens` the first layer is linear, and inputs are token ids.
  ForwardPass(const Context& context, const std::vector<LayerView>& layers, std::size_t positions, std::size_t features,
              bool tokens);

  std::size_t positions() const { return positions_; }
  std::size_t outputs() const { return layers_.outputs(); }
  // Numbers (or ids) per input.
  std::size_t input_size() const { return takes_tokens() ? positions_ : positions_ * features_; }
  bool takes_tokens() const { return embedding_.has_value(); }
  // How many tokens there are: ids are below.
  std::size_t features() const { return features_; }
  std::size_t bytes() const;

  // f of `batch` inputs, (batch, positions, outputs), from vectors (batch, positions, features) of either element type.
  // Threads share the batch out; the result does not depend on them, nor does one input's on the others.
  void evaluate(const Context& context, const MatrixView& vectors, std::size_t batch, T* results) const;
  // The same from ids (batch, positions), all below `features`.
  void evaluate(const Context& context, const std::int32_t* tokens, std::size_t batch, T* results) const;

 private:
  template <class Load>
  void run(const Context& context, std::size_t batch, T* results, const Load& load) const;
  double flops_per_row() const;

  std::size_t positions_ = 1, features_ = 0;
  std::optional<EmbeddingPass<T>> embedding_;  // the first layer, where inputs are tokens
  PassSequence<T> layers_;                     // all others
};

}  // namespace tensim
