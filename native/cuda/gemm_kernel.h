#pragma once

#include "micro_tile.h"

namespace tensim::cuda {

// C = factor · Σ_g A_g B_g + plus_factor · Σ_g P_g, or C += … with `add`, g < segments, each operand a number of elements further in every
// segment. A is (rows, depth), B (depth, columns). Of each of A and B one stride is 1, or it is slow.
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

  static constexpr unsigned kSide = 2 * kTile;
  std::uint64_t blocks() const { return (rows + kSide - 1) / kSide * ((columns + kSide - 1) / kSide); }
};

// Many products of matrices of any sizes in one grid: a block of four times 32 threads takes 64×64 elements of one, and reads the next steps
// while it multiplies those that are staged. An element is summed over the depth in one fixed order.
template <class T>
struct GemmKernel {
  static constexpr unsigned kThreads = 4 * kLanes;
  static constexpr unsigned kResident = sizeof(T) < sizeof(double) ? 3 : 2;
  static constexpr unsigned kSide = GemmTask<T>::kSide;
  static constexpr unsigned kSteps = 16;
  static constexpr unsigned kOwn = kSteps * kSide / kThreads;  // elements of a stage that a thread reads
  static constexpr unsigned kStagesTogether = 8;  // float32 adds up so many before it adds them to the rest

  using Arguments = TaskList<GemmTask<T>>;
  using Tile = StagedTile<T, kSteps, kSide>;
  struct Shared {
    Tile a[2], b[2];
  };
  struct Registers {
    T a[kOwn], b[kOwn];
    MicroTile<T> sum, total;
  };

  // Which elements of a stage a thread reads: `kTimes` runs of as many as it takes at a time, in a row along the depth or along the places
  // (rows of A, columns of B), so that neighbours read what lies side by side.
  template <unsigned kRun>
  struct Share {
    static constexpr unsigned kTimes = kOwn / kRun;
    unsigned k, i, more_k, more_i;

    TENSIM_KERNEL Share(bool along_depth, unsigned thread) {
      const unsigned across = (along_depth ? kSteps : kSide) / kRun;
      const unsigned near = thread % across * kRun, far = thread / across, more = kThreads / across;
      k = along_depth ? near : far;
      i = along_depth ? far : near;
      more_k = along_depth ? 0 : more;
      more_i = along_depth ? more : 0;
    }
  };

  // `from` is an operand's first element of the stage. Elements that lie outside are zero.
  TENSIM_KERNEL static void fetch(const T* from, std::uint64_t step, std::uint64_t place, std::uint64_t depth,
                                  std::uint64_t width, unsigned thread, T* to) {
    const bool along_depth = step == 1;
    if (depth >= kSteps && width >= kSide && in_quads(from, along_depth ? place : step)) {
      const Share<kQuad> share(along_depth, thread);
      const T* own = from + share.k * step + share.i * place;
      const std::uint64_t more = share.more_k * step + share.more_i * place;
      TENSIM_UNROLL
      for (unsigned n = 0; n < share.kTimes; ++n, own += more) {
        const Quad<T> quad = *reinterpret_cast<const Quad<T>*>(own);
        TENSIM_UNROLL
        for (unsigned e = 0; e < kQuad; ++e) to[n * kQuad + e] = quad.x[e];
      }
      return;
    }
    const Share<1> share(along_depth, thread);
    const T* own = from + share.k * step + share.i * place;
    const std::uint64_t more = share.more_k * step + share.more_i * place;
    TENSIM_UNROLL
    for (unsigned n = 0; n < share.kTimes; ++n, own += more) {
      const bool inside = share.k + n * share.more_k < depth && share.i + n * share.more_i < width;
      to[n] = inside ? *own : T(0);
    }
  }
  TENSIM_KERNEL static bool in_quads(const T* from, std::uint64_t stride) {
    return stride % kQuad == 0 && reinterpret_cast<std::uintptr_t>(from) % alignof(Quad<T>) == 0;
  }
  // What `fetch` with the same operand gave, into shared memory.
  TENSIM_KERNEL static void put(const T* from, const T* operand, std::uint64_t step, std::uint64_t place,
                                std::uint64_t depth, std::uint64_t width, unsigned thread, Tile& to) {
    const bool along_depth = step == 1;
    if (depth >= kSteps && width >= kSide && in_quads(operand, along_depth ? place : step)) {
      const Share<kQuad> share(along_depth, thread);
      TENSIM_UNROLL
      for (unsigned n = 0; n < share.kTimes; ++n) {
        const unsigned k = share.k + n * share.more_k, i = share.i + n * share.more_i;
        if (along_depth) {
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
    const Share<1> share(along_depth, thread);
    TENSIM_UNROLL
    for (unsigned n = 0; n < share.kTimes; ++n) to.at(share.k + n * share.more_k, share.i + n * share.more_i) = from[n];
  }

  TENSIM_KERNEL static void gather(Registers& own) {
    TENSIM_UNROLL
    for (unsigned i = 0; i < kQuad; ++i) {
      TENSIM_UNROLL
      for (unsigned j = 0; j < 2 * kQuad; ++j) own.total.values[i][j] += own.sum.values[i][j];
    }
    own.sum.clear();
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const GemmTask<T> task = list.tasks[number];
    const std::uint64_t tile = block.index - list.first[number], across = (task.columns + kSide - 1) / kSide;
    const std::uint64_t row = tile / across * kSide, column = tile % across * kSide;
    const std::uint64_t per_segment = (task.depth + kSteps - 1) / kSteps, stages = per_segment * task.segments;

    struct Operand {
      const T* data;
      std::uint64_t step, place, segment, width;
    };
    const Operand a{task.a + row * task.a_row, task.a_step, task.a_row, task.a_segment, task.rows - row},
        b{task.b + column * task.b_column, task.b_step, task.b_column, task.b_segment, task.columns - column};
    const auto first_of = [&](const Operand& operand, std::uint64_t segment, std::uint64_t k) {
      return operand.data + segment * operand.segment + k * operand.step;
    };
    const auto fetch_stage = [&](std::uint64_t stage, unsigned thread, Registers& own) {
      const std::uint64_t segment = stage / per_segment, k = stage % per_segment * kSteps;
      fetch(first_of(a, segment, k), a.step, a.place, task.depth - k, a.width, thread, own.a);
      fetch(first_of(b, segment, k), b.step, b.place, task.depth - k, b.width, thread, own.b);
    };
    const auto put_stage = [&](std::uint64_t stage, unsigned thread, const Registers& own) {
      const std::uint64_t segment = stage / per_segment, k = stage % per_segment * kSteps;
      put(own.a, first_of(a, segment, k), a.step, a.place, task.depth - k, a.width, thread, shared.a[stage % 2]);
      put(own.b, first_of(b, segment, k), b.step, b.place, task.depth - k, b.width, thread, shared.b[stage % 2]);
    };

    block.each_thread([&](unsigned thread, Registers& own) {
      own.sum.clear();
      own.total.clear();
      if (stages == 0) return;
      fetch_stage(0, thread, own);
      put_stage(0, thread, own);
    });
    for (std::uint64_t stage = 0; stage < stages; ++stage) {
      const bool more = stage + 1 < stages;
      block.each_thread([&](unsigned thread, Registers& own) {
        if (more) fetch_stage(stage + 1, thread, own);
        const unsigned quarter = thread / kLanes, lane = thread % kLanes;
        const unsigned rows = quarter / 2 * (kTile / kQuad) + lane / kQuad,
                       columns = quarter % 2 * (kTile / kQuad) + lane % kQuad;
        TENSIM_UNROLL
        for (unsigned k = 0; k < kSteps; ++k) own.sum.step(shared.a[stage % 2], shared.b[stage % 2], k, rows, columns);
        if (sizeof(T) < sizeof(double) && (stage + 1) % kStagesTogether == 0) gather(own);
        if (more) put_stage(stage + 1, thread, own);
      });
    }
    block.each_thread([&](unsigned thread, Registers& own) {
      gather(own);
      const unsigned quarter = thread / kLanes;
      const std::uint64_t top = row + quarter / 2 * kTile, left = column + quarter % 2 * kTile;
      own.total.each(thread % kLanes, [&](unsigned i, unsigned j, T value) {
        if (top + i >= task.rows || left + j >= task.columns) return;
        T& c = task.c[(top + i) * task.c_row + left + j];
        T sum = task.factor * value;
        for (std::uint64_t g = 0; task.plus != nullptr && g < task.segments; ++g) {
          sum += task.plus_factor * task.plus[g * task.plus_segment + (top + i) * task.plus_row + left + j];
        }
        c = task.add != 0 ? c + sum : sum;
      });
    });
  }
};

}  // namespace tensim::cuda
