#pragma once

#include <cstddef>
#include <variant>
#include <vector>

#include "attention.h"
#include "image.h"
#include "norm.h"
#include "parallel.h"
#include "passes.h"
#include "softmax_attention.h"
#include "units.h"

namespace tensim {

// Layers that follow each other, packed for the forward pass.
template <class T>
class PassSequence {
 public:
  explicit PassSequence(std::size_t width) : outputs_(width), widest_(width) {}
  void add(const Context& context, const LayerView& layer, std::size_t positions);

  std::size_t outputs() const { return outputs_; }
  // Of a row in front of any of the layers or behind it.
  std::size_t widest() const { return widest_; }
  std::size_t bytes() const;
  double flops_per_row(std::size_t positions) const;
  // Makes room for the rows that `apply` is to take.
  void reserve(std::size_t rows, ForwardScratch<T>& scratch) const;
  // scratch.x = layers(scratch.x).
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;

 private:
  using Pass = std::variant<LinearPass<T>, BilinearPass<T>, AttentionPass<T>, ActivationPass<T>, HiddenPass<T>,
                            GatedPass<T>, NormPass<T>, BatchNormPass<T>, ConvolutionPass<T>, PoolPass<T>,
                            SoftmaxAttentionPass<T>, PositionsPass<T>, ParallelPass<T>>;

  std::size_t outputs_ = 0;
  std::size_t widest_ = 0, widest_inside_ = 0, widest_joined_ = 0;  // of any row of x and y, of `wide`, of `joined`
  std::vector<Pass> passes_;
};

}  // namespace tensim
