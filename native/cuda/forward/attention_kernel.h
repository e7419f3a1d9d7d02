#pragma once

#include "map_kernel.h"

namespace tensim::cuda {

// joined_s = Σ_t M_st (q1_s·k1_t)(q2_s·k2_t)/d_head² v_t of every head, from projections that are turned already.
template <class T>
struct AttendTask {
  const T* projected;  // (rows, 5·inner), padded: q1, k1, q2, k2, v, each (heads, size)
  T* joined;           // (rows, inner), in panels
  std::uint64_t rows, positions, heads, size;
  std::uint32_t causal;

  TENSIM_BOTH std::uint64_t inner() const { return heads * size; }
};

// A block takes up to 32 queries of one head: of several inputs where they have few positions, and else of one, whose
// keys it goes through 32 at a time. A query's sum is in the order of the keys, whatever else is in the block.
template <class T>
struct AttendKernel {
  static constexpr unsigned kThreads = 128;
  static constexpr unsigned kResident = 8;
  static constexpr unsigned kQueries = 32, kKeys = 32;
  using Arguments = AttendTask<T>;
  struct Shared {
    T scores[kQueries][kKeys];
  };
  struct Registers {};

  // Queries of a block, and blocks of a head.
  TENSIM_BOTH static std::uint64_t queries(const Arguments& task) {
    return task.positions >= kQueries ? kQueries : kQueries / task.positions * task.positions;
  }
  // Where an input has more positions than a block takes queries, its last block has fewer.
  TENSIM_BOTH static std::uint64_t per_input(const Arguments& task) {
    return (task.positions + kQueries - 1) / kQueries;
  }
  TENSIM_BOTH static std::uint64_t parts(const Arguments& task) {
    if (task.positions >= kQueries) return task.rows / task.positions * per_input(task);
    return (task.rows + queries(task) - 1) / queries(task);
  }
  static std::uint64_t blocks(const Arguments& task) { return parts(task) * task.heads; }

  TENSIM_KERNEL static std::uint64_t least(std::uint64_t a, std::uint64_t b) { return a < b ? a : b; }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& task) {
    const std::uint64_t n = task.positions, head = block.index % task.heads, part = block.index / task.heads;
    const bool several = n < kQueries;
    const std::uint64_t first =
        several ? part * queries(task) : part / per_input(task) * n + part % per_input(task) * kQueries;
    const std::uint64_t end = several ? task.rows : (part / per_input(task) + 1) * n;
    const auto count = static_cast<unsigned>(least(end - first, queries(task)));
    const std::uint64_t inner = task.inner(), stride = padded(5 * inner);
    const T* const base = task.projected + head * task.size;
    const T scale = T(1) / static_cast<T>(task.size * task.size);
    // Behind the last query of a block no key is seen.
    const std::uint64_t seen = task.causal != 0 && !several ? first % n + count : n;
    for (std::uint64_t t0 = 0; t0 < seen; t0 += kKeys) {
      const auto keys = static_cast<unsigned>(least(seen - t0, kKeys));
      block.each_thread([&](unsigned thread, Registers&) {
        for (unsigned at = thread; at < count * keys; at += kThreads) {
          const unsigned s = at / keys, t = at % keys;
          const std::uint64_t row = first + s, key = row / n * n + t0 + t;
          T one = T(0), two = T(0);
          if (task.causal == 0 || key <= row) {
            const T* const query = base + row * stride;
            const T* const other = base + key * stride + inner;
            for (std::uint64_t i = 0; i < task.size; ++i) one += query[i] * other[i];
            for (std::uint64_t i = 0; i < task.size; ++i) two += query[2 * inner + i] * other[2 * inner + i];
          }
          shared.scores[s][t] = scale * one * two;
        }
      });
      block.each_thread([&](unsigned thread, Registers&) {
        for (std::uint64_t at = thread; at < count * task.size; at += kThreads) {
          const auto s = static_cast<unsigned>(at / task.size);
          const std::uint64_t row = first + s, i = at % task.size;
          const T* value = base + (row / n * n + t0) * stride + 4 * inner + i;
          T* const joined = task.joined + element_at<T>(row, head * task.size + i, inner);
          T sum = t0 == 0 ? T(0) : *joined;
          for (unsigned t = 0; t < keys; ++t) sum += shared.scores[s][t] * value[t * stride];
          *joined = sum;
        }
        // Beyond the last head lie zeros.
        const auto more = static_cast<unsigned>(panel_width<T>(inner) - inner);
        if (head + 1 < task.heads || t0 > 0) return;
        for (unsigned at = thread; at < count * more; at += kThreads) {
          task.joined[element_at<T>(first + at / more, inner + at % more, inner)] = T(0);
        }
      });
    }
  }
};

}  // namespace tensim::cuda
