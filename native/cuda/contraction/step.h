#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <utility>
#include <vector>

#include "../device.h"
#include "loops.h"

namespace tensim::cuda {

using Loops = std::vector<TensimCudaLoop>;

// A step as the host plans it: without loops of size 1.
template <class T>
struct Step {
  TensimCudaStepKind kind;
  const T *a, *b;
  T* out;
  double factor;
  bool accumulate;
  Loops batch, left, right, contracted;

  explicit Step(const TensimCudaStep& step)
      : kind(static_cast<TensimCudaStepKind>(step.kind)),
        a(static_cast<const T*>(step.a)),
        b(static_cast<const T*>(step.b)),
        out(static_cast<T*>(step.out)),
        factor(step.factor),
        accumulate(step.accumulate != 0) {
    const TensimCudaLoop* next = step.loops;
    const auto take = [&next](Loops& to, std::uint64_t count) {
      for (const TensimCudaLoop* end = next + count; next != end; ++next) {
        if (next->size != 1) to.push_back(*next);
      }
    };
    take(batch, step.batch);
    take(left, step.left);
    take(right, step.right);
    take(contracted, step.contracted);
    if (batch.size() + left.size() + right.size() + contracted.size() > TENSIM_CUDA_LOOPS_MOST) {
      throw DeviceError(TENSIM_CUDA_INVALID, "a step has too many loops");
    }
  }

  // The same product with its operands exchanged: Cᵀ = Bᵀ·Aᵀ.
  void exchange() {
    std::swap(a, b);
    std::swap(left, right);
    for (Loops* loops : {&batch, &left, &right, &contracted}) {
      for (TensimCudaLoop& loop : *loops) std::swap(loop.a, loop.b);
    }
  }
};

inline std::uint64_t extent(const Loops& loops) {
  std::uint64_t size = 1;
  for (const TensimCudaLoop& loop : loops) size *= loop.size;
  return size;
}

using LoopStride = std::int64_t TensimCudaLoop::*;

inline LoopList list_of(const std::vector<const Loops*>& bundles) {
  LoopList list{};
  for (const Loops* loops : bundles) {
    for (const TensimCudaLoop& loop : *loops) list.loops[list.count++] = loop;
  }
  return list;
}

// How near the nearest neighbours along some loops are; far away where a view does not have them.
inline std::uint64_t nearest(const Loops& loops, LoopStride stride) {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (const TensimCudaLoop& loop : loops) {
    if (loop.*stride != 0) least = std::min(least, static_cast<std::uint64_t>(std::abs(loop.*stride)));
  }
  return least;
}

// By falling stride, so that the nearest loop runs fastest; loops that a view does not have come first.
inline void nearest_last(Loops& loops, LoopStride stride) {
  const auto rank = [stride](const TensimCudaLoop& loop) {
    return loop.*stride == 0 ? std::numeric_limits<std::int64_t>::max() : std::abs(loop.*stride);
  };
  std::stable_sort(loops.begin(), loops.end(), [&](const auto& x, const auto& y) { return rank(x) > rank(y); });
}

}  // namespace tensim::cuda
