#pragma once

#include "grid.h"

namespace tensim::cuda {

// The inner loop that the kernels of the closure share: 32 threads multiply a 32×32 tile of a product. A thread has four rows and eight
// columns of it,
//
//        columns   4x … 4x+3      16+4x … 16+4x+3        x = thread % 4
//   rows 4y … 4y+3                                       y = thread / 4
//
// so that a step of the depth takes three reads of four elements for 32 multiply-adds, and threads that read at the same time read
// different banks or the same place.

constexpr unsigned kTile = 32;
constexpr unsigned kQuad = 4;
constexpr unsigned kLanes = 32;

// Four elements that lie together, read by one instruction in float.
template <class T>
struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) Quad {
  T x[kQuad];
};

// Up to kDepth steps of `kWidth` rows of A, or columns of B: element i of step k is values[k][i]. The padding keeps elements of one i and four
// steps apart in different banks.
template <class T, unsigned kDepth, unsigned kWidth>
struct StagedTile {
  static constexpr unsigned kPitch = kWidth + kQuad;
  Quad<T> quads[kDepth][kPitch / kQuad];

  TENSIM_KERNEL T& at(unsigned k, unsigned i) { return quads[k][i / kQuad].x[i % kQuad]; }
  TENSIM_KERNEL const T& at(unsigned k, unsigned i) const { return quads[k][i / kQuad].x[i % kQuad]; }
};

// A thread's part of a 32×32 tile.
template <class T>
struct MicroTile {
  T values[kQuad][2 * kQuad];

  TENSIM_KERNEL static unsigned row(unsigned thread, unsigned i) { return thread / kQuad * kQuad + i; }
  TENSIM_KERNEL static unsigned column(unsigned thread, unsigned j) {
    return thread % kQuad * kQuad + j % kQuad + j / kQuad * (kTile / 2);
  }

  TENSIM_KERNEL void clear() {
    TENSIM_UNROLL
    for (unsigned i = 0; i < kQuad; ++i) {
      TENSIM_UNROLL
      for (unsigned j = 0; j < 2 * kQuad; ++j) values[i][j] = T(0);
    }
  }

  // f(row, column, value) for every element.
  template <class F>
  TENSIM_KERNEL void each(unsigned thread, const F& f) {
    TENSIM_UNROLL
    for (unsigned i = 0; i < kQuad; ++i) {
      TENSIM_UNROLL
      for (unsigned j = 0; j < 2 * kQuad; ++j) f(row(thread, i), column(thread, j), values[i][j]);
    }
  }

  // f(row, column, four elements of the row) for every quad.
  template <class F>
  TENSIM_KERNEL void each_quad(unsigned thread, const F& f) {
    TENSIM_UNROLL
    for (unsigned i = 0; i < kQuad; ++i) {
      TENSIM_UNROLL
      for (unsigned half = 0; half < 2; ++half) {
        Quad<T> quad;
        TENSIM_UNROLL
        for (unsigned j = 0; j < kQuad; ++j) quad.x[j] = values[i][half * kQuad + j];
        f(row(thread, i), column(thread, half * kQuad), quad);
      }
    }
  }

  // += one step, from row quad `rows` of A and column quad `columns` of B on.
  template <class A, class B>
  TENSIM_KERNEL void step(const A& a, const B& b, unsigned k, unsigned rows, unsigned columns) {
    const Quad<T> left = a.quads[k][rows];
    const Quad<T> right[2] = {b.quads[k][columns], b.quads[k][columns + kTile / 2 / kQuad]};
    TENSIM_UNROLL
    for (unsigned i = 0; i < kQuad; ++i) {
      TENSIM_UNROLL
      for (unsigned j = 0; j < 2 * kQuad; ++j) values[i][j] += left.x[i] * right[j / kQuad].x[j % kQuad];
    }
  }

  // += A·B over `depth` steps of staged tiles.
  template <class A, class B>
  TENSIM_KERNEL void multiply(const A& a, const B& b, unsigned depth, unsigned thread) {
    constexpr unsigned kTogether = 8;
    unsigned k = 0;
    for (; k + kTogether <= depth; k += kTogether) {
      TENSIM_UNROLL
      for (unsigned next = 0; next < kTogether; ++next) step(a, b, k + next, thread / kQuad, thread % kQuad);
    }
    for (; k < depth; ++k) step(a, b, k, thread / kQuad, thread % kQuad);
  }
};

// Which of `count` tasks a block belongs to: those of task i begin at first[i], with first[0] = 0.
TENSIM_KERNEL std::uint32_t task_of(const std::uint64_t* first, std::uint32_t count, std::uint64_t block) {
  std::uint32_t low = 0, high = count;
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (first[middle] <= block) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

// What the kernels of the closure are given: tasks of one kind, and where the blocks of each begin.
template <class Task>
struct TaskList {
  const Task* tasks;
  const std::uint64_t* first;
  std::uint32_t count;
};

}  // namespace tensim::cuda
