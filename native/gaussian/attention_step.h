#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../layers/attention.h"
#include "covariance.h"

namespace tensim {

// The vectors of one head at one position, in this order: q1, k1, q2, k2, v.
constexpr std::size_t kKinds = AttentionView::kProjections;

// A quadratic attention block of one model under a Gaussian input of known moments (MATH.md sections 1 and 6), with
// everything that does not depend on the other model of a pair.
template <class T>
struct AttentionBlock {
  static constexpr const char* kType = AttentionView::kType;
  static constexpr bool kMixesPositions = true;

  std::size_t positions = 1, heads = 0, d_head = 0, width = 0, outputs = 0;
  bool causal = false;
  double alpha = 0;

  // Rot_s of the five projections: row ((h·positions + s)·5 + kind)·d_head + i, `width` columns.
  Matrix<T> projection;
  Matrix<T> output;  // β O / d_head², (outputs, heads·d_head)

  // Covariances among the projected vectors of one head: block (h, s, t, kind, kind') is contiguous, (d_head, d_head),
  // and zero (not to be read) where `independent` and s ≠ t. Means (h, s, kind).
  bool independent = true;
  AlignedBuffer<T> own;
  AlignedBuffer<T> means;  // empty when all are zero

  // E ∂y_s/∂x_r of the output without the residual, (positions·outputs, positions·width); under the mask zero for r >
  // s.
  Matrix<T> jacobian;

  std::size_t inner() const { return heads * d_head; }
  // How many positions t = 0, 1 … position s sees.
  std::size_t visible_count(std::size_t s) const { return causal ? s + 1 : positions; }
  // E ∂y_s/∂x_r, without what `residual` adds to it; false where it is zero.
  bool slope(std::size_t s, std::size_t r, MatrixView& view) const {
    view = jacobian.block(s * outputs, outputs, r * width, width);
    return r < visible_count(s);
  }
  double residual() const { return alpha; }
  const T* own_block(std::size_t h, std::size_t s, std::size_t t, std::size_t kind, std::size_t kind2) const {
    if (independent && s != t) return nullptr;
    return own.data() +
           (((h * positions + s) * positions + t) * kKinds * kKinds + kind * kKinds + kind2) * d_head * d_head;
  }
  const T* mean(std::size_t h, std::size_t s, std::size_t kind) const {
    return means.empty() ? nullptr : means.data() + ((h * positions + s) * kKinds + kind) * d_head;
  }
  std::size_t bytes() const {
    return projection.bytes() + output.bytes() + own.bytes() + means.bytes() + jacobian.bytes();
  }
};

// Reads a layer for inputs with the given moments, and sends the means through it.
template <class T>
AttentionBlock<T> prepare_attention(const Context& context, const AttentionView& layer, std::size_t positions,
                                    const Covariance<T>& covariance, Means& means);

// P·C, rows as in `projection`, all positions of the other model side by side.
template <class T>
Matrix<T> project_left(const Context& context, const AttentionBlock<T>& ours, const Covariance<T>& covariance);

// What project_right is asked for: head h of ours and the heads h2 … h2 + count − 1 of theirs.
struct HeadRange {
  std::size_t h, h2, count;
};

// P·C·P'ᵀ for these heads, from P·C in `left`, in contiguous blocks: (head, s, t, kind, kind') is at (((head·positions
// + s)·positions + t)·25 + kind·5 + kind')·d_head·d_head' of the target. Blocks that are zero, because positions are
// `alike`, are left as they are.
template <class T>
void project_right(const Context& context, const AttentionBlock<T>& ours, const Matrix<T>& left,
                   const AttentionBlock<T>& theirs, const HeadRange& heads, bool alike, T* target);

}  // namespace tensim
