#pragma once

#include <cmath>

#include "queries.h"

namespace tensim::cuda {

// Rotary embedding of rows of heads, in place: the pairs (2j, 2j + 1) of their first features if they are interleaved,
// else (j, j + turning/2).
template <class T>
struct TurnTask {
  T* heads;                                              // (rows, heads, size) at the beginning of rows so far apart
  const T* turns;                                        // cos and sin of every pair, (positions, turning)
  std::uint64_t rows, positions, count, width, turning;  // count of heads; width of one
  bool interleaved;
  std::uint64_t stride;

  TENSIM_BOTH std::uint64_t size() const { return rows * count * (turning / 2); }
  TENSIM_KERNEL void operator()(std::uint64_t at) const {
    const std::uint64_t half = turning / 2, j = at % half, head = at / half % count, row = at / half / count;
    T* const own = heads + row * stride + head * width + (interleaved ? 2 * j : j);
    T &first = own[0], &second = own[interleaved ? 1 : half];
    const T* const turn = turns + row % positions * turning + 2 * j;
    const T a = first, b = second;
    first = a * turn[0] - b * turn[1];
    second = b * turn[0] + a * turn[1];
  }
};

// joined_s = Σ_t softmax_t(scores of s) v_t of every head, from queries, keys and values that are normed and turned.
template <class T>
struct SoftTask {
  const T* projected;  // (rows, heads·size + shared·(size + value)), padded: queries, keys, values
  T* joined;           // (rows, heads·value), in panels
  std::uint64_t rows, positions, heads, shared, size, value;
  std::uint64_t window;  // 0: none
  std::uint32_t causal;
  T scale, softcap;
  const T* falls;  // (heads), or null

  TENSIM_BOTH Queries queries() const { return {rows, positions}; }
  TENSIM_BOTH std::uint64_t inner() const { return heads * value; }
  TENSIM_BOTH std::uint64_t stride() const { return padded(heads * size + shared * (size + value)); }
};

// The keys are gone through once: what was added up under a smaller maximum is scaled as a larger one comes. Sums are
// in the order of the keys, and the weights' in double, as in model/softmax_attention.cc.
template <class T>
struct SoftKernel {
  static constexpr unsigned kThreads = 128;
  static constexpr unsigned kResident = sizeof(T) == sizeof(double) ? 4 : 8;
  static constexpr unsigned kWarps = kThreads / kWarp;
  static constexpr unsigned kDepth = 32;  // of what is multiplied at a time
  using Arguments = SoftTask<T>;
  struct Shared {
    // A number more, so that the rows of a warp lie in different banks.
    T queries[kQueries][kDepth + 1], keys[kKeys][kDepth + 1];
    T scores[kQueries][kKeys], most[kQueries], factor[kQueries];
    double sum[kQueries];
  };
  // A thread has one key and every kWarps-th query.
  struct Registers {
    T sums[kQueries / kWarps];
  };

  static std::uint64_t blocks(const Arguments& task) { return task.queries().parts() * task.heads; }

  // Positions that the one at `s` of an input sees.
  struct Sight {
    std::uint64_t begin, end;
  };
  TENSIM_KERNEL static Sight sight(const Arguments& task, std::uint64_t s) {
    const std::uint64_t n = task.positions, reach = task.window == 0 ? n : task.window;
    const std::uint64_t end = task.causal != 0 ? s + 1 : reach > n - s ? n : least(n, s + reach);
    return {s + 1 > reach ? s + 1 - reach : 0, end};
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& task) {
    const std::uint64_t n = task.positions, head = block.index % task.heads;
    const Queries::Part part = task.queries().part(block.index / task.heads);
    const std::uint64_t first = part.first;
    const unsigned count = part.count;
    const bool several = task.queries().several();
    // Of the inputs of a block all positions; else those that any of its queries sees.
    const std::uint64_t from = several ? 0 : sight(task, first % n).begin / kKeys * kKeys;
    const std::uint64_t to = several ? n : sight(task, first % n + count - 1).end;
    for (std::uint64_t t0 = from; t0 < to; t0 += kKeys) {
      const auto keys = static_cast<unsigned>(least(to - t0, kKeys));
      if (several) {
        block.each_thread([&](unsigned thread, Registers&) {
          for (unsigned at = thread; at < count * keys; at += kThreads) {
            const unsigned s = at / keys, t = at % keys;
            const std::uint64_t own = (first + s) % n;
            const T* const query = query_of(task, head, first + s);
            const T* const key = key_of(task, head, first + s - own + t);
            T sum = T(0);
            for (std::uint64_t i = 0; i < task.size; ++i) sum += query[i] * key[i];
            shared.scores[s][t] = score(task, head, own, t, sum);
          }
        });
      } else {
        multiply(block, shared, task, head, part, t0, keys);
      }
      block.each_thread([&](unsigned thread, Registers&) {
        if (thread >= count) return;
        const T before = t0 == from ? -T(INFINITY) : shared.most[thread];
        T most = before;
        for (unsigned t = 0; t < keys; ++t) {
          if (shared.scores[thread][t] > most) most = shared.scores[thread][t];
        }
        shared.most[thread] = most;
        shared.factor[thread] = most > before ? std::exp(before - most) : T(1);
      });
      block.each_thread([&](unsigned thread, Registers&) {
        for (unsigned at = thread; at < count * keys; at += kThreads) {
          const unsigned s = at / keys, t = at % keys;
          T& own = shared.scores[s][t];
          // What is not seen weighs nothing, before anything is seen too.
          own = own == -T(INFINITY) ? T(0) : std::exp(own - shared.most[s]);
        }
      });
      block.each_thread([&](unsigned thread, Registers&) {
        if (thread >= count) return;
        double sum = t0 == from ? 0 : shared.sum[thread] * static_cast<double>(shared.factor[thread]);
        for (unsigned t = 0; t < keys; ++t) sum += static_cast<double>(shared.scores[thread][t]);
        shared.sum[thread] = sum;
      });
      block.each_thread([&](unsigned thread, Registers&) {
        const std::uint64_t width = task.value, stride = task.stride();
        const T* const values =
            task.projected + (task.heads + task.shared) * task.size + head / (task.heads / task.shared) * width;
        for (std::uint64_t at = thread; at < count * width; at += kThreads) {
          const auto s = static_cast<unsigned>(at / width);
          const std::uint64_t row = first + s, i = at % width;
          const T* const value = values + (row / n * n + t0) * stride + i;
          T* const joined = task.joined + element_at<T>(row, head * width + i, task.inner());
          T sum = t0 == from ? T(0) : *joined * shared.factor[s];
          for (unsigned t = 0; t < keys; ++t) sum += shared.scores[s][t] * value[t * stride];
          if (t0 + kKeys >= to) sum = static_cast<T>(static_cast<double>(sum) / shared.sum[s]);
          *joined = sum;
        }
        // Beyond the last head lie zeros.
        const auto more = static_cast<unsigned>(panel_width<T>(task.inner()) - task.inner());
        if (head + 1 < task.heads || t0 > from) return;
        for (unsigned at = thread; at < count * more; at += kThreads) {
          task.joined[element_at<T>(first + at / more, task.inner() + at % more, task.inner())] = T(0);
        }
      });
    }
  }

 private:
  TENSIM_KERNEL static const T* query_of(const Arguments& task, std::uint64_t head, std::uint64_t row) {
    return task.projected + row * task.stride() + head * task.size;
  }
  TENSIM_KERNEL static const T* key_of(const Arguments& task, std::uint64_t head, std::uint64_t row) {
    return task.projected + row * task.stride() + (task.heads + head / (task.heads / task.shared)) * task.size;
  }

  // The scores of queries of one input with some of its keys, some of their features at a time.
  template <class Block>
  TENSIM_KERNEL static void multiply(Block& block, Shared& shared, const Arguments& task, std::uint64_t head,
                                     const Queries::Part& part, std::uint64_t t0, unsigned keys) {
    const std::uint64_t s0 = part.first % task.positions, input = part.first - s0;
    block.alone([&](unsigned, Registers& own) {
      TENSIM_UNROLL
      for (unsigned j = 0; j < kQueries / kWarps; ++j) own.sums[j] = T(0);
    });
    for (std::uint64_t i0 = 0; i0 < task.size; i0 += kDepth) {
      block.each_thread([&](unsigned thread, Registers&) {
        for (unsigned at = thread; at < kQueries * kDepth; at += kThreads) {
          const unsigned row = at / kDepth, i = at % kDepth;
          const bool inside = i0 + i < task.size;
          shared.queries[row][i] = inside && row < part.count ? query_of(task, head, part.first + row)[i0 + i] : T(0);
          shared.keys[row][i] = inside && row < keys ? key_of(task, head, input + t0 + row)[i0 + i] : T(0);
        }
      });
      block.each_thread([&](unsigned thread, Registers& own) {
        for (unsigned i = 0; i < kDepth; ++i) {
          const T key = shared.keys[thread % kWarp][i];
          TENSIM_UNROLL
          for (unsigned j = 0; j < kQueries / kWarps; ++j)
            own.sums[j] += shared.queries[thread / kWarp + kWarps * j][i] * key;
        }
      });
    }
    block.each_thread([&](unsigned thread, Registers& own) {
      const unsigned t = thread % kWarp;
      TENSIM_UNROLL
      for (unsigned j = 0; j < kQueries / kWarps; ++j) {
        const unsigned s = thread / kWarp + kWarps * j;
        if (s < part.count && t < keys) shared.scores[s][t] = score(task, head, s0 + s, t0 + t, own.sums[j]);
      }
    });
  }

  // What a product of the query at `s` and the key at `t` of an input weighs; −∞ where it is not seen.
  TENSIM_KERNEL static T score(const Arguments& task, std::uint64_t head, std::uint64_t s, std::uint64_t t, T sum) {
    const Sight seen = sight(task, s);
    if (t < seen.begin || t >= seen.end) return -T(INFINITY);
    sum *= task.scale;
    if (task.softcap != T(0)) sum = task.softcap * std::tanh(sum / task.softcap);
    if (task.falls != nullptr) sum -= task.falls[head] * static_cast<T>(s > t ? s - t : t - s);
    return sum;
  }
};

}  // namespace tensim::cuda
