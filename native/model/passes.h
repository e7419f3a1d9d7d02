#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "../core/context.h"
#include "../gemm/packed_matrix.h"
#include "../layers/layer.h"

namespace tensim {

// What a forward pass makes of each kind of layer (MATH.md section 1). A pass owns its weights, packed, and tells
//
//   outputs                   features of a row of y
//   wide(), joined()          those of a row of its intermediates in ForwardScratch
//   bytes(), flops_per_row    what it takes
//   apply(context, rows, s)   y = layer(x) for every row
template <class T>
struct ForwardScratch {
  AlignedBuffer<T> x, y, wide, joined, panels, keys, scores;
  std::unique_ptr<ForwardScratch> inside;  // of the layers within one
};

// One matrix and its bias.
template <class T>
struct PackedMap {
  PackedMatrix<T> matrix;
  std::vector<T> bias;  // empty: none

  PackedMap() = default;
  // Several matrices of one shape, one over the other.
  PackedMap(const MicroKernels<T>& kernels, const std::vector<MatrixView>& matrices,
            const std::vector<MatrixView>& biases);
  std::size_t bytes() const { return matrix.bytes() + bias.size() * sizeof(T); }
  double flops_per_row() const { return 2.0 * static_cast<double>(matrix.outputs() * matrix.depth()); }
  void apply(const MicroKernels<T>& kernels, const T* x, std::size_t rows, T* y, AlignedBuffer<T>& panels) const;
};

// A linear layer on one-hot vectors: W e_t + b of every token t is kept, (tokens, outputs).
template <class T>
struct EmbeddingPass {
  std::size_t outputs = 0;
  AlignedBuffer<T> table;

  EmbeddingPass(const LinearView& layer, std::size_t tokens);
  std::size_t bytes() const { return table.bytes(); }
  const T* row(std::int32_t token) const { return table.data() + static_cast<std::size_t>(token) * outputs; }
};

template <class T>
struct LinearPass {
  std::size_t outputs = 0;
  PackedMap<T> map;

  LinearPass(const MicroKernels<T>& kernels, const LinearView& layer);
  std::size_t wide() const { return 0; }
  std::size_t joined() const { return 0; }
  std::size_t bytes() const { return map.bytes(); }
  double flops_per_row(std::size_t) const { return map.flops_per_row(); }
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;
};

template <class T>
struct BilinearPass {
  std::size_t outputs = 0, units = 0;
  PackedMap<T> sides;  // L over R
  bool has_down = false;
  PackedMap<T> down;
  T alpha = 0, beta = 1;

  BilinearPass(const MicroKernels<T>& kernels, const BilinearView& layer);
  std::size_t wide() const { return 2 * units; }
  std::size_t joined() const { return units; }
  std::size_t bytes() const { return sides.bytes() + down.bytes(); }
  double flops_per_row(std::size_t) const { return sides.flops_per_row() + down.flops_per_row(); }
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;
};

template <class T>
struct AttentionPass {
  std::size_t outputs = 0, inner = 0;  // inner: heads · d_head
  std::size_t heads = 1;
  bool causal = false;
  PackedMap<T> projections;  // Q1, K1, Q2, K2 and V
  std::vector<T> turns;      // cos and sin of every position and pair, one after the other; empty: no rotary embedding
  PackedMap<T> output;       // O
  T alpha = 0, beta = 1;

  AttentionPass(const MicroKernels<T>& kernels, const AttentionView& layer, std::size_t positions);
  std::size_t wide() const { return AttentionView::kProjections * inner; }
  std::size_t joined() const { return inner; }
  std::size_t bytes() const { return projections.bytes() + output.bytes() + turns.size() * sizeof(T); }
  double flops_per_row(std::size_t positions) const {
    return projections.flops_per_row() + output.flops_per_row() + 6.0 * static_cast<double>(inner * positions);
  }
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;
};

}  // namespace tensim
