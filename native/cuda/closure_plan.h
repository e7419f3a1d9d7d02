#pragma once

#include <algorithm>
#include <vector>

#include "chain_kernel.h"
#include "device.h"
#include "gemm_kernel.h"
#include "mean_kernel.h"
#include "moment_kernel.h"
#include "preparation/head_kernels.h"
#include "preparation/kernels.h"
#include "slice_kernel.h"
#include "square_kernel.h"
#include "two_block/kernels.h"

namespace tensim::cuda {

// Tasks of one kind that share a launch.
template <class Task>
struct Tasks {
  std::vector<Task> tasks;
  std::vector<std::uint64_t> first;
  std::uint64_t blocks = 0;

  void add(const Task& task, std::uint64_t its_blocks) {
    if (its_blocks == 0) return;
    tasks.push_back(task);
    first.push_back(blocks);
    blocks += its_blocks;
  }
};

// What is launched one after the other. Within a step tasks do not depend on each other, nor on later ones.
template <class T>
struct ClosureStep {
  Tasks<GemmTask<T>> gemms;
  Tasks<SquareTask<T>> squares;
  Tasks<ChainTask<T>> means, moments, chains, sums;
  Tasks<SliceTask<T>> slices;
  Tasks<TraceTask<T>> traces;
  Tasks<TwoBlockSliceTask<T>> two_block_slices;
  Tasks<RotaryTask<T>> turns;
  Tasks<MeanMapTask<T>> mean_maps;
  Tasks<UnitMomentTask<T>> unit_moments;
  Tasks<IdentityTask<T>> identities;
  Tasks<HeadTask<T>> head_moments, head_slopes;
};

// Everything that some pairs need is planned before the first launch, so that the device never waits for the host.
// Pairs are planned one after the other, each from the first step on: what they do in the same step is launched
// together, whatever their sizes.
//
// Memory comes off a stack of device memory at `base`. A pair is planned once from a base of null, to learn what it
// takes.
template <class T>
class ClosurePlan {
 public:
  // The flops of the pair planned last, and the bytes up to which the stack went.
  double flops = 0;
  std::uint64_t bytes = 0;
  std::vector<ClosureStep<T>> steps;

  // Begins with a pair, whose memory begins at `base`.
  void begin(unsigned char* base) {
    base_ = base;
    used_ = bytes = 0;
    flops = 0;
    step_ = 0;
  }
  // The step after this one; what products cut along the depth have to add up is done in between.
  void next() {
    ++step_;
    if (pending_.empty()) return;
    for (const GemmTask<T>& task : pending_) step().gemms.add(task, task.blocks());
    pending_.clear();
    ++step_;
  }
  ClosureStep<T>& step() {
    if (step_ >= steps.size()) steps.resize(step_ + 1);
    return steps[step_];
  }

  template <class Element>
  Element* allocate(std::uint64_t count) {
    constexpr std::uint64_t kAlignment = 256;
    unsigned char* const place = base_ + used_;
    used_ += (count * sizeof(Element) + kAlignment - 1) / kAlignment * kAlignment;
    bytes = std::max(bytes, used_);
    return reinterpret_cast<Element*>(place);
  }
  std::uint64_t mark() const { return used_; }
  // Gives back what came after the mark, for the steps that follow.
  void release(std::uint64_t mark) { used_ = mark; }

  // The sum over a great depth is cut into parts, which occupy more of the device and keep float32 as exact as it is
  // over a short one; `next` adds them up.
  void gemm(const GemmTask<T>& task) {
    flops += 2.0 * static_cast<double>(task.rows) * static_cast<double>(task.columns) *
             static_cast<double>(task.depth) * static_cast<double>(task.segments);
    if (task.depth * task.segments <= kGreatDepth || task.plus != nullptr) {
      step().gemms.add(task, task.blocks());
      return;
    }
    const std::uint64_t length = task.blocks() <= kFewBlocks ? kGreatDepth / 4 : kGreatDepth;
    const std::uint64_t each = (task.depth + length - 1) / length, parts = each * task.segments;
    T* const sums = allocate<T>(parts * task.rows * task.columns);
    for (std::uint64_t p = 0; p < parts; ++p) {
      const std::uint64_t segment = p / each, k = p % each * length;
      GemmTask<T> part = task;
      part.a += segment * task.a_segment + k * task.a_step;
      part.b += segment * task.b_segment + k * task.b_step;
      part.c = sums + p * task.rows * task.columns;
      part.c_row = task.columns;
      part.depth = std::min(length, task.depth - k);
      part.segments = 1;
      part.add = 0;
      step().gemms.add(part, part.blocks());
    }
    GemmTask<T> total{};
    total.c = task.c;
    total.c_row = task.c_row;
    total.rows = task.rows;
    total.columns = task.columns;
    total.segments = parts;
    total.add = task.add;
    total.plus = sums;
    total.plus_row = task.columns;
    total.plus_segment = task.rows * task.columns;
    total.plus_factor = 1;
    pending_.push_back(total);
  }

 private:
  static constexpr std::uint64_t kGreatDepth = 1024, kFewBlocks = 64;

  unsigned char* base_ = nullptr;
  std::uint64_t used_ = 0;
  std::size_t step_ = 0;
  std::vector<GemmTask<T>> pending_;
};

// Matrices as gemm tasks take them.
template <class T>
struct Operand {
  const T* data = nullptr;
  std::uint64_t row = 0, column = 1;  // strides
  std::uint64_t segment = 0;          // from one segment to the next

  Operand transpose() const { return {data, column, row, segment}; }
  Operand shifted(std::uint64_t elements) const { return {data + elements, row, column, segment}; }
};

// Where a matrix goes that they write, with the stride of its rows.
template <class T>
struct Target {
  T* data = nullptr;
  std::uint64_t row = 0;
  std::uint64_t rows = 0, columns = 0;
};

// C = A·B for a (rows, depth) and a (depth, columns) matrix.
template <class T>
GemmTask<T> product_task(const Operand<T>& a, const Operand<T>& b, const Target<T>& c, std::uint64_t depth,
                         T factor = 1, std::uint64_t segments = 1) {
  GemmTask<T> task{};
  task.a = a.data;
  task.b = b.data;
  task.c = c.data;
  task.rows = c.rows;
  task.columns = c.columns;
  task.depth = depth;
  task.a_row = a.row;
  task.a_step = a.column;
  task.b_step = b.row;
  task.b_column = b.column;
  task.c_row = c.row;
  task.segments = segments;
  task.a_segment = a.segment;
  task.b_segment = b.segment;
  task.factor = factor;
  return task;
}

// C = factor · P, summed over segments.
template <class T>
GemmTask<T> copy_task(const Operand<T>& from, const Target<T>& c, T factor, std::uint64_t segments = 1) {
  GemmTask<T> task = product_task<T>({}, {}, c, 0, 1, segments);
  task.plus = from.data;
  task.plus_row = from.row;
  task.plus_segment = from.segment;
  task.plus_factor = factor;
  return task;
}

}  // namespace tensim::cuda
