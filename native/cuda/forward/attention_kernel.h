#pragma once

#include "queries.h"

namespace tensim::cuda {

// joined_s = Σ_t M_st (q1_s·k1_t)(q2_s·k2_t)/d_head² v_t of every head, from projections that are turned already.
template <class T>
struct AttendTask {
  const T* projected;  // (rows, 5·inner), padded: q1, k1, q2, k2, v, each (heads, size)
  T* joined;           // (rows, inner), in panels
  std::uint64_t rows, positions, heads, size;
  std::uint32_t causal;

  TENSIM_BOTH std::uint64_t inner() const { return heads * size; }
  TENSIM_BOTH Queries queries() const { return {rows, positions}; }
};

// A query's sum is in the order of the keys, whatever else is in the block.
template <class T>
struct AttendKernel {
  static constexpr unsigned kThreads = 128;
  static constexpr unsigned kResident = 8;
  using Arguments = AttendTask<T>;
  struct Shared {
    T scores[kQueries][kKeys];
  };
  struct Registers {};

  static std::uint64_t blocks(const Arguments& task) { return task.queries().parts() * task.heads; }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& task) {
    const std::uint64_t n = task.positions, head = block.index % task.heads;
    const bool several = task.queries().several();
    const Queries::Part part = task.queries().part(block.index / task.heads);
    const std::uint64_t first = part.first;
    const unsigned count = part.count;
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
