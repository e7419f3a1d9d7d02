#pragma once

#include "micro_tile.h"

namespace tensim::cuda {

// C = factor · Σ_g A_g B_g + plus_factor · Σ_g P_g, or C += … with `add`, g < segments, each operand a number of
// elements further in every segment. A is (rows, depth), B (depth, columns). Of each of A and B one stride is 1, or it
// is slow.
template <class T>
struct GemmTask {
  const T *a, *b;
  T* c;
  std::uint64_t rows, columns, depth;
  std::uint64_t a_row, a_step, b_step, b_column, c_row;
  std::uint64_t segments, a_segment, b_segment;
  T factor;
  std::uint32_t add;
  const T* plus;  // (rows, columns), or null
  std::uint64_t plus_row, plus_segment;
  T plus_factor;

  static constexpr unsigned kRows = 64, kColumns = 128;  // of a block
  std::uint64_t blocks() const { return (rows + kRows - 1) / kRows * ((columns + kColumns - 1) / kColumns); }
};

// Many products of matrices of any sizes in one grid: a block of four times 32 threads takes 64×128 elements of one,
// and reads the next steps while it multiplies those that are staged. An element is summed over the depth in one fixed
// order.
template <class T>
struct GemmKernel {
  static constexpr unsigned kThreads = 4 * kLanes;
  static constexpr unsigned kResident = 2;
  static constexpr unsigned kRows = GemmTask<T>::kRows, kColumns = GemmTask<T>::kColumns;
  static constexpr unsigned kSteps = sizeof(T) < sizeof(double) ? 16 : 8;

  using Arguments = TaskList<GemmTask<T>>;
  using Micro = MicroTile<T, 2, 4>;
  struct Shared {
    StagedTile<T, kSteps, kRows> a[2];
    StagedTile<T, kSteps, kColumns> b[2];
  };
  struct Registers {
    T a[kSteps * kRows / kThreads], b[kSteps * kColumns / kThreads];
    Micro sum;
  };

  // Which elements of a stage of an operand with kWidth places (rows of A, columns of B) a thread reads: `kTimes` runs
  // of kRun in a row, along the depth or along the places, so that neighbours read what lies side by side.
  template <unsigned kWidth, unsigned kRun>
  struct Share {
    static constexpr unsigned kTimes = kSteps * kWidth / kThreads / kRun;
    unsigned k, i, more_k, more_i;

    TENSIM_KERNEL Share(bool along_depth, unsigned thread) {
      const unsigned across = (along_depth ? kSteps : kWidth) / kRun;
      const unsigned near = thread % across * kRun, far = thread / across, more = kThreads / across;
      k = along_depth ? near : far;
      i = along_depth ? far : near;
      more_k = along_depth ? 0 : more;
      more_i = along_depth ? more : 0;
    }
  };

  // A stage of an operand: its first element, strides, and what is left of it from there on.
  struct Stage {
    const T* data;
    std::uint64_t step, place, depth, width;

    TENSIM_KERNEL bool along_depth() const { return step == 1; }
    template <unsigned kWidth>
    TENSIM_KERNEL bool whole() const {
      return depth >= kSteps && width >= kWidth && in_quads(data, along_depth() ? place : step);
    }
  };

  // Elements that lie outside are zero.
  template <unsigned kWidth>
  TENSIM_KERNEL static void fetch(const Stage& stage, unsigned thread, T* to) {
    if (stage.template whole<kWidth>()) {
      const Share<kWidth, kQuad> share(stage.along_depth(), thread);
      const T* own = stage.data + share.k * stage.step + share.i * stage.place;
      const std::uint64_t more = share.more_k * stage.step + share.more_i * stage.place;
      TENSIM_UNROLL
      for (unsigned n = 0; n < share.kTimes; ++n, own += more) {
        const Quad<T> quad = quad_at(own);
        TENSIM_UNROLL
        for (unsigned e = 0; e < kQuad; ++e) to[n * kQuad + e] = quad.x[e];
      }
      return;
    }
    const Share<kWidth, 1> share(stage.along_depth(), thread);
    const T* own = stage.data + share.k * stage.step + share.i * stage.place;
    const std::uint64_t more = share.more_k * stage.step + share.more_i * stage.place;
    TENSIM_UNROLL
    for (unsigned n = 0; n < share.kTimes; ++n, own += more) {
      const bool inside = share.k + n * share.more_k < stage.depth && share.i + n * share.more_i < stage.width;
      to[n] = inside ? *own : T(0);
    }
  }
  // What `fetch` gave for the same stage, into shared memory.
  template <unsigned kWidth>
  TENSIM_KERNEL static void put(const Stage& stage, unsigned thread, const T* from, StagedTile<T, kSteps, kWidth>& to) {
    if (stage.template whole<kWidth>()) {
      const Share<kWidth, kQuad> share(stage.along_depth(), thread);
      TENSIM_UNROLL
      for (unsigned n = 0; n < share.kTimes; ++n) {
        const unsigned k = share.k + n * share.more_k, i = share.i + n * share.more_i;
        if (stage.along_depth()) {
          TENSIM_UNROLL
          for (unsigned e = 0; e < kQuad; ++e) to.at(k + e, i) = from[n * kQuad + e];
        } else {
          Quad<T> quad;
          TENSIM_UNROLL
          for (unsigned e = 0; e < kQuad; ++e) quad.x[e] = from[n * kQuad + e];
          to.quads[k][i / kQuad] = quad;
        }
      }
      return;
    }
    const Share<kWidth, 1> share(stage.along_depth(), thread);
    TENSIM_UNROLL
    for (unsigned n = 0; n < share.kTimes; ++n) to.at(share.k + n * share.more_k, share.i + n * share.more_i) = from[n];
  }

  // Four elements of C from (i, j) on, of which `sum` is A·B.
  TENSIM_KERNEL static void store(const GemmTask<T>& task, bool quads, std::uint64_t i, std::uint64_t j, Quad<T> sum) {
    if (i >= task.rows) return;
    T* const c = task.c + i * task.c_row + j;
    const T* const plus = task.plus == nullptr ? nullptr : task.plus + i * task.plus_row + j;
    const std::uint64_t segments = plus == nullptr ? 0 : task.segments;
    TENSIM_UNROLL
    for (unsigned e = 0; e < kQuad; ++e) sum.x[e] *= task.factor;
    if (quads && j + kQuad <= task.columns) {
      for (std::uint64_t g = 0; g < segments; ++g) {
        const Quad<T> more = quad_at(plus + g * task.plus_segment);
        TENSIM_UNROLL
        for (unsigned e = 0; e < kQuad; ++e) sum.x[e] += task.plus_factor * more.x[e];
      }
      if (task.add != 0) {
        const Quad<T> before = quad_at(c);
        TENSIM_UNROLL
        for (unsigned e = 0; e < kQuad; ++e) sum.x[e] += before.x[e];
      }
      *reinterpret_cast<Quad<T>*>(c) = sum;
      return;
    }
    TENSIM_UNROLL
    for (unsigned e = 0; e < kQuad; ++e) {
      if (j + e >= task.columns) continue;
      for (std::uint64_t g = 0; g < segments; ++g) sum.x[e] += task.plus_factor * plus[g * task.plus_segment + e];
      c[e] = task.add != 0 ? c[e] + sum.x[e] : sum.x[e];
    }
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const GemmTask<T> task = list.tasks[number];
    const std::uint64_t tile = block.index - list.first[number], across = (task.columns + kColumns - 1) / kColumns;
    const std::uint64_t row = tile / across * kRows, column = tile % across * kColumns;
    const std::uint64_t per_segment = (task.depth + kSteps - 1) / kSteps, stages = per_segment * task.segments;

    const auto stage_of_a = [&](std::uint64_t stage) {
      const std::uint64_t segment = stage / per_segment, k = stage % per_segment * kSteps;
      return Stage{task.a + segment * task.a_segment + row * task.a_row + k * task.a_step, task.a_step, task.a_row,
                   task.depth - k, task.rows - row};
    };
    const auto stage_of_b = [&](std::uint64_t stage) {
      const std::uint64_t segment = stage / per_segment, k = stage % per_segment * kSteps;
      return Stage{task.b + segment * task.b_segment + column * task.b_column + k * task.b_step, task.b_step,
                   task.b_column, task.depth - k, task.columns - column};
    };
    const auto fetch_stage = [&](std::uint64_t stage, unsigned thread, Registers& own) {
      fetch<kRows>(stage_of_a(stage), thread, own.a);
      fetch<kColumns>(stage_of_b(stage), thread, own.b);
    };
    const auto put_stage = [&](std::uint64_t stage, unsigned thread, const Registers& own) {
      put<kRows>(stage_of_a(stage), thread, own.a, shared.a[stage % 2]);
      put<kColumns>(stage_of_b(stage), thread, own.b, shared.b[stage % 2]);
    };

    block.each_thread([&](unsigned thread, Registers& own) {
      own.sum.clear();
      if (stages == 0) return;
      fetch_stage(0, thread, own);
      put_stage(0, thread, own);
    });
    for (std::uint64_t stage = 0; stage < stages; ++stage) {
      const bool more = stage + 1 < stages;
      block.each_thread([&](unsigned thread, Registers& own) {
        if (more) fetch_stage(stage + 1, thread, own);
        const unsigned quarter = thread / kLanes, lane = thread % kLanes;
        const unsigned rows = quarter / 2 * (Micro::kRows / kQuad) + lane / Micro::kColumnLanes,
                       columns = quarter % 2 * (Micro::kColumns / kQuad) + lane % Micro::kColumnLanes;
        TENSIM_UNROLL
        for (unsigned k = 0; k < kSteps; ++k) own.sum.step(shared.a[stage % 2], shared.b[stage % 2], k, rows, columns);
        if (more) put_stage(stage + 1, thread, own);
      });
    }
    block.each_thread([&](unsigned thread, Registers& own) {
      const unsigned quarter = thread / kLanes;
      const std::uint64_t top = row + quarter / 2 * Micro::kRows, left = column + quarter % 2 * Micro::kColumns;
      const bool quads =
          in_quads<T>(task.c, task.c_row) &&
          (task.plus == nullptr || (in_quads<T>(task.plus, task.plus_row) && task.plus_segment % kQuad == 0));
      own.sum.each_quad(thread % kLanes, [&](unsigned i, unsigned j, const Quad<T>& quad) {
        store(task, quads, top + i, left + j, quad);
      });
    });
  }
};

}  // namespace tensim::cuda
