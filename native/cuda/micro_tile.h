#pragma once

#include "grid.h"

namespace tensim::cuda {

// The inner loop that the kernels of the closure share: 32 threads multiply a tile of a product whose operands are
// staged in shared memory.

constexpr unsigned kTile = 32;  // side of what the kernels of chains take at a time
constexpr unsigned kQuad = 4;
constexpr unsigned kLanes = 32;

// Four elements that lie together, read by one instruction in float.
template <class T>
struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) Quad {
  T x[kQuad];
};

// Up to kDepth steps of `kWidth` rows of A, or columns of B: element i of step k is values[k][i]. The padding keeps
// elements of one i and four steps apart in different banks.
template <class T, unsigned kDepth, unsigned kWidth>
struct StagedTile {
  static constexpr unsigned kPitch = kWidth + kQuad;
  Quad<T> quads[kDepth][kPitch / kQuad];

  TENSIM_KERNEL T& at(unsigned k, unsigned i) { return quads[k][i / kQuad].x[i % kQuad]; }
  TENSIM_KERNEL const T& at(unsigned k, unsigned i) const { return quads[k][i / kQuad].x[i % kQuad]; }
};

// A thread's part of such a tile: kRowQuads times four rows and twice four columns. With y = thread / kColumnLanes, x =
// thread % kColumnLanes,
//
//        columns   4x … 4x+3     4·kColumnLanes + 4x …
//   rows 4y … 4y+3
//   4·kRowLanes + 4y …
//
// so that threads that read at the same time read neighbouring quads or the same one, and a step of the depth takes few
// reads for many multiply-adds: 3 for 32 in a tile of 32×32, 4 for 64 in one of 32×64.
template <class T, unsigned kRowQuads, unsigned kRowLanes>
struct MicroTile {
  static constexpr unsigned kColumnLanes = kLanes / kRowLanes;
  static constexpr unsigned kOwnRows = kRowQuads * kQuad, kOwnColumns = 2 * kQuad;
  static constexpr unsigned kRows = kOwnRows * kRowLanes, kColumns = kOwnColumns * kColumnLanes;
  T values[kOwnRows][kOwnColumns];

  TENSIM_KERNEL static unsigned row(unsigned thread, unsigned i) {
    return thread / kColumnLanes * kQuad + i % kQuad + i / kQuad * (kQuad * kRowLanes);
  }
  TENSIM_KERNEL static unsigned column(unsigned thread, unsigned j) {
    return thread % kColumnLanes * kQuad + j % kQuad + j / kQuad * (kQuad * kColumnLanes);
  }

  // f(row, column, value) for every element.
  template <class F>
  TENSIM_KERNEL void each(unsigned thread, const F& f) {
    TENSIM_UNROLL
    for (unsigned i = 0; i < kOwnRows; ++i) {
      TENSIM_UNROLL
      for (unsigned j = 0; j < kOwnColumns; ++j) f(row(thread, i), column(thread, j), values[i][j]);
    }
  }
  TENSIM_KERNEL void clear() {
    each(0, [](unsigned, unsigned, T& value) { value = T(0); });
  }

  // f(row, column, four elements of the row) for every quad.
  template <class F>
  TENSIM_KERNEL void each_quad(unsigned thread, const F& f) {
    TENSIM_UNROLL
    for (unsigned i = 0; i < kOwnRows; ++i) {
      TENSIM_UNROLL
      for (unsigned j = 0; j < kOwnColumns; j += kQuad) {
        Quad<T> quad;
        TENSIM_UNROLL
        for (unsigned e = 0; e < kQuad; ++e) quad.x[e] = values[i][j + e];
        f(row(thread, i), column(thread, j), quad);
      }
    }
  }

  // += one step, from row quad `rows` of A and column quad `columns` of B on.
  template <class A, class B>
  TENSIM_KERNEL void step(const A& a, const B& b, unsigned k, unsigned rows, unsigned columns) {
    Quad<T> left[kRowQuads];
    TENSIM_UNROLL
    for (unsigned i = 0; i < kRowQuads; ++i) left[i] = a.quads[k][rows + i * kRowLanes];
    const Quad<T> right[2] = {b.quads[k][columns], b.quads[k][columns + kColumnLanes]};
    TENSIM_UNROLL
    for (unsigned i = 0; i < kOwnRows; ++i) {
      TENSIM_UNROLL
      for (unsigned j = 0; j < kOwnColumns; ++j) {
        values[i][j] += left[i / kQuad].x[i % kQuad] * right[j / kQuad].x[j % kQuad];
      }
    }
  }

  // += A·B over `depth` steps of staged tiles.
  template <class A, class B>
  TENSIM_KERNEL void multiply(const A& a, const B& b, unsigned depth, unsigned thread) {
    constexpr unsigned kTogether = 8;
    unsigned k = 0;
    for (; k + kTogether <= depth; k += kTogether) {
      TENSIM_UNROLL
      for (unsigned next = 0; next < kTogether; ++next) {
        step(a, b, k + next, thread / kColumnLanes, thread % kColumnLanes);
      }
    }
    for (; k < depth; ++k) step(a, b, k, thread / kColumnLanes, thread % kColumnLanes);
  }
};

// Whether rows that are `stride` elements apart can be read in quads.
template <class T>
TENSIM_KERNEL bool in_quads(const T* from, std::uint64_t stride) {
  return stride % kQuad == 0 && reinterpret_cast<std::uintptr_t>(from) % alignof(Quad<T>) == 0;
}
template <class T>
TENSIM_KERNEL Quad<T> quad_at(const T* from) {
  return *reinterpret_cast<const Quad<T>*>(from);
}

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
