#pragma once

#include "chain_task.h"

namespace tensim::cuda {

// Chains that begin at a mean, of every unit (MATH.md section 4): through each subset of the items to each half by
// which they can leave it; those that go on to v and w; and the paths that end at another mean. Only for models that
// have means.
template <class T>
struct MeanKernel {
  static constexpr unsigned kThreads = 4 * kLanes;
  using Arguments = TaskList<ChainTask<T>>;
  struct Shared {
    ChainTable<T> table;
  };
  struct Registers {};

  static std::uint64_t blocks(const ChainTask<T>& task) { return task.units(); }

  TENSIM_KERNEL static unsigned count(unsigned items) {
    return (items & 1) + (items >> 1 & 1) + (items >> 2 & 1) + (items >> 3 & 1);
  }
  // Where the chain through `items` that leaves by `half` lies.
  TENSIM_KERNEL static T* chain(T* vectors, unsigned largest, unsigned items, unsigned half) {
    return vectors + (items * kHalves + half) * largest;
  }
  // V_v, or V_w with `end` = 1.
  TENSIM_KERNEL static T* ends(T* vectors, unsigned largest, unsigned end, unsigned items) {
    return vectors + (kSubsets * kHalves + end * kSubsets + items) * largest;
  }

  // Element e of Σ over the halves by which a chain can leave `items`: chain · C[half][y].
  TENSIM_KERNEL static T extended(const ChainTable<T>& table, T* vectors, unsigned largest, unsigned items, unsigned y,
                                  unsigned e) {
    double sum = 0;
    for (unsigned half = 0; half < kHalves; ++half) {
      const ChainBlock<T>& link = table.c[half][y];
      if ((items >> half / 2 & 1) == 0 || link.data == nullptr) continue;
      const T* const from = chain(vectors, largest, items, half);
      for (unsigned k = 0; k < table.size(half); ++k) {
        sum += static_cast<double>(from[k]) * static_cast<double>(link.data[k * link.row + e * link.column]);
      }
    }
    return static_cast<T>(sum);
  }
  TENSIM_KERNEL static T mean(const ChainTable<T>& table, unsigned x, unsigned e) {
    return table.mean[x] == nullptr ? T(0) : table.mean[x][e];
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const ChainTask<T>& task = list.tasks[number];
    const std::uint64_t unit = block.index - list.first[number];
    const unsigned largest = task.largest();
    T* const vectors = task.vectors + unit * task.vectors_size();
    const ChainTable<T>& table = shared.table;
    block.each_thread([&](unsigned thread, Registers&) {
      if (thread < kLanes) shared.table.fill(task, unit, thread);
    });
    for (unsigned members = 1; members <= kItems; ++members) {
      block.each_thread([&](unsigned thread, Registers&) {
        for (unsigned at = thread; at < kSubsets * kHalves * largest; at += kThreads) {
          const unsigned e = at % largest, half = at / largest % kHalves, items = at / largest / kHalves;
          const unsigned before = items & ~(1u << half / 2);
          if (before == items || count(items) != members || e >= table.size(half)) continue;
          chain(vectors, largest, items, half)[e] =
              before == 0 ? mean(table, other_half(half), e)
                          : extended(table, vectors, largest, before, other_half(half), e);
        }
      });
    }
    block.each_thread([&](unsigned thread, Registers&) {
      for (unsigned at = thread; at < 2 * kSubsets * largest; at += kThreads) {
        const unsigned e = at % largest, items = at / largest % kSubsets, end = at / largest / kSubsets;
        const unsigned vector = end == 0 ? kV : kW;
        if (e >= table.size(vector)) continue;
        ends(vectors, largest, end, items)[e] =
            items == 0 ? mean(table, vector, e) : extended(table, vectors, largest, items, vector, e);
      }
      for (unsigned items = thread; items < kSubsets; items += kThreads) {
        double sum = 0;
        for (unsigned half = 0; half < kHalves; ++half) {
          if ((items >> half / 2 & 1) == 0 || table.mean[half] == nullptr) continue;
          const T* const from = chain(vectors, largest, items, half);
          for (unsigned e = 0; e < table.size(half); ++e) {
            sum += static_cast<double>(from[e]) * static_cast<double>(table.mean[half][e]);
          }
        }
        task.paths[unit * kSubsets + items] = sum;
      }
    });
  }
};

}  // namespace tensim::cuda
