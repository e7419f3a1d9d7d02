#pragma once

#include "chain_task.h"

namespace tensim::cuda {

// Z(S) = E Π_S F of the four items of every unit, for all subsets S (MATH.md section 4): cycles through the
// covariances, and what the paths between means add to them.
template <class T>
struct MomentKernel {
  static constexpr unsigned kThreads = kLanes;
  static constexpr unsigned kResident = 8;
  using Arguments = TaskList<ChainTask<T>>;
  using Steps = ChainSteps<T>;
  struct Shared {
    ChainTable<T> table;
    typename Steps::Tile a, b;
    double cumulants[kSubsets][kLanes + 1];
  };
  struct Registers {
    typename Steps::Micro upper, lower;
    double cumulants[kSubsets];
  };

  static std::uint64_t blocks(const ChainTask<T>& task) { return task.units(); }

  // The rings of four items with `left` and `right` on opposite sides, and, out of the same blocks D, the rings of
  // three: with C in the place of D_below or of D_above.
  struct Ring {
    unsigned left, right, above, below;  // below = kItems: none
    unsigned with_above, with_below;     // the subsets of the rings of three; 0: not here
  };

  // Σ over a thread's elements.
  TENSIM_KERNEL static double inner(const typename Steps::Micro& a, const typename Steps::Micro& b) {
    double sum = 0;
    TENSIM_UNROLL
    for (unsigned i = 0; i < Steps::Micro::kOwnRows; ++i) {
      TENSIM_UNROLL
      for (unsigned j = 0; j < Steps::Micro::kOwnColumns; ++j) {
        sum += static_cast<double>(a.values[i][j]) * static_cast<double>(b.values[i][j]);
      }
    }
    return sum;
  }

  template <class Block>
  TENSIM_KERNEL static void ring(Block& block, Shared& shared, const Ring& ring) {
    const ChainTable<T>& table = shared.table;
    for (unsigned x = 2 * ring.left; x < 2 * ring.left + 2; ++x) {
      for (unsigned y = 2 * ring.right; y < 2 * ring.right + 2; ++y) {
        const unsigned x2 = other_half(x), y2 = other_half(y);
        const bool upper = table.through(ring.above, x, y),
                   lower = ring.below < kItems && table.through(ring.below, x2, y2);
        const bool above = upper && ring.with_above != 0 && table.c[x2][y2].data != nullptr,
                   below = lower && ring.with_below != 0 && table.c[x][y].data != nullptr;
        if (!(upper && lower) && !above && !below) continue;
        for (unsigned row = 0; row < table.size(x); row += kTile) {
          for (unsigned column = 0; column < table.size(y); column += kTile) {
            const unsigned rows = Steps::remaining(table.size(x), row),
                           columns = Steps::remaining(table.size(y), column);
            block.each_thread([&](unsigned, Registers& own) {
              own.upper.clear();
              own.lower.clear();
            });
            if (upper) {
              Steps::add_through(block, shared, ring.above, x, y, row, column,
                                 [](Registers& own) -> typename Steps::Micro& { return own.upper; });
            }
            if (lower) {
              Steps::add_through(block, shared, ring.below, x2, y2, row, column,
                                 [](Registers& own) -> typename Steps::Micro& { return own.lower; });
            }
            block.each_thread([&](unsigned thread, Registers& own) {
              own.cumulants[kSubsets - 1] += inner(own.upper, own.lower);
              if (above) {
                shared.cumulants[ring.with_above][thread] +=
                    inner(own.upper, Steps::load(table.c[x2][y2], row, rows, column, columns, thread));
              }
              if (below) {
                shared.cumulants[ring.with_below][thread] +=
                    inner(own.lower, Steps::load(table.c[x][y], row, rows, column, columns, thread));
              }
            });
          }
        }
      }
    }
  }

  // Σ over a thread's elements of C[x][y] ⊙ C[x2][y2].
  TENSIM_KERNEL static double inner(const ChainTable<T>& table, unsigned x, unsigned y, unsigned x2, unsigned y2,
                                    unsigned thread) {
    const ChainBlock<T>&a = table.c[x][y], &b = table.c[x2][y2];
    double sum = 0;
    if (a.data == nullptr || b.data == nullptr) return sum;
    for (std::uint32_t at = thread; at < table.size(x) * table.size(y); at += kLanes) {
      const std::uint32_t i = at / table.size(y), j = at % table.size(y);
      sum +=
          static_cast<double>(a.data[i * a.row + j * a.column]) * static_cast<double>(b.data[i * b.row + j * b.column]);
    }
    return sum;
  }

  // Cumulants of one and of two items.
  TENSIM_KERNEL static void short_cycles(Shared& shared, unsigned thread) {
    const ChainTable<T>& table = shared.table;
    for (unsigned i = 0; i < kItems; ++i) {
      const unsigned q = 2 * i, k = q + 1;
      double trace = 0;
      const ChainBlock<T>& c = table.c[q][k];
      for (std::uint32_t e = thread; c.data != nullptr && e < table.size(q); e += kLanes) {
        trace += static_cast<double>(c.data[e * (c.row + c.column)]);
      }
      shared.cumulants[1u << i][thread] += trace;
      for (unsigned j = i + 1; j < kItems; ++j) {
        const unsigned q2 = 2 * j, k2 = q2 + 1;
        shared.cumulants[1u << i | 1u << j][thread] +=
            inner(table, q, q2, k, k2, thread) + inner(table, q, k2, k, q2, thread);
      }
    }
  }

  // Z(S) = Σ_{T ∋ min S} κ(T) Z(S∖T)
  TENSIM_KERNEL static void find_moments(const double* cumulants, double* moments) {
    moments[0] = 1;
    for (unsigned items = 1; items < kSubsets; ++items) {
      const unsigned first = items & (~items + 1);
      double sum = 0;
      for (unsigned part = items; part != 0; part = (part - 1) & items) {
        if ((part & first) != 0) sum += cumulants[part] * moments[items & ~part];
      }
      moments[items] = sum;
    }
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const ChainTask<T>& task = list.tasks[number];
    const std::uint64_t unit = block.index - list.first[number];
    block.each_thread([&](unsigned thread, Registers& own) {
      shared.table.fill(task, unit, thread);
      own.cumulants[kSubsets - 1] = 0;
      for (unsigned items = 0; items < kSubsets; ++items) shared.cumulants[items][thread] = 0;
    });
    block.each_thread([&](unsigned thread, Registers&) { short_cycles(shared, thread); });
    // Items 0 … 3 by their bits: {0, 1, 2} is 7, {0, 1, 3} 11, {0, 2, 3} 13 and {1, 2, 3} 14.
    ring(block, shared, {0, 2, 1, 3, 7, 0});
    ring(block, shared, {0, 1, 2, 3, 0, 0});
    ring(block, shared, {0, 3, 1, 2, 11, 13});
    ring(block, shared, {1, 3, 2, kItems, 14, 0});
    block.each_thread(
        [&](unsigned thread, Registers& own) { shared.cumulants[kSubsets - 1][thread] = own.cumulants[kSubsets - 1]; });
    block.each_thread([&](unsigned thread, Registers&) {
      if (thread == 0 || thread >= kSubsets) return;
      double sum = 0;
      for (unsigned lane = 0; lane < kLanes; ++lane) sum += shared.cumulants[thread][lane];
      if (task.paths != nullptr) sum += 0.5 * task.paths[unit * kSubsets + thread];
      shared.cumulants[thread][kLanes] = sum;
    });
    block.each_thread([&](unsigned thread, Registers&) {
      if (thread != 0) return;
      double cumulants[kSubsets], moments[kSubsets];
      for (unsigned items = 1; items < kSubsets; ++items) cumulants[items] = shared.cumulants[items][kLanes];
      find_moments(cumulants, moments);
      for (unsigned items = 0; items < kSubsets; ++items) task.moments[unit * kSubsets + items] = moments[items];
    });
  }
};

}  // namespace tensim::cuda
