#pragma once

#include "../chain_task.h"

namespace tensim::cuda {

// The mean Jacobians of attention heads, as gaussian/attention_step.cc has them. Vectors of one head at a query s and a
// key t are known by their kind: q1, k1, q2, k2, v; items are F_0 = q1·k1 and F_1 = q2·k2.
template <class T>
struct HeadTask {
  const T *own, *means;  // as in ChainTask
  std::uint32_t positions, heads, size, independent, causal;

  // Of (head, s, t): E F_0, E F_1 and E F_0 F_1.
  double* items;
  // With means, of (head, s, t): V_v({0}), V_v({1}), V_q1({1}), V_k1({1}), V_q2({0}), V_k2({0}), chains to a mean; and
  // of (s, head) the sum of E[v F_0 F_1] over t.
  double *ends, *values;
  // E ∂z_{s,h} / ∂(each vector of the head at each position r), (s, head, size, r, 5, size); what s does not see is not
  // written.
  T* slopes;

  static constexpr unsigned kItemMoments = 3, kEnds = 6;
  TENSIM_BOTH std::uint32_t seen(std::uint32_t s) const { return causal != 0 ? s + 1 : positions; }
  static std::uint32_t tiles(std::uint32_t size) { return (size + kTile - 1) / kTile; }
  std::uint64_t moment_blocks() const { return std::uint64_t{positions} * heads; }
  std::uint64_t slope_blocks() const { return moment_blocks() * (positions + 1) * tiles(size) * tiles(size); }
};

// Where the moments of one head at (s, t) lie.
template <class T>
struct HeadTable {
  ChainBlock<T> c[kKinds][kKinds];
  const T* mean[kKinds];

  // Entries thread, thread + threads …
  TENSIM_KERNEL void fill(const HeadTask<T>& task, std::uint32_t head, std::uint32_t s, std::uint32_t t,
                          unsigned thread, unsigned threads) {
    const auto position = [&](unsigned kind) { return kind == 0 || kind == 2 ? s : t; };
    for (unsigned entry = thread; entry < kKinds * kKinds; entry += threads) {
      const unsigned x = entry / kKinds, y = entry % kKinds;
      c[x][y] =
          own_block(task.own, {task.positions, head, task.size, task.independent != 0}, position(x), x, position(y), y);
    }
    for (unsigned x = thread; x < kKinds; x += threads) {
      mean[x] = own_mean(task.means, task.heads, head, task.size, position(x), x);
    }
  }
  TENSIM_KERNEL double mean_at(unsigned x, std::uint32_t e) const {
    return mean[x] == nullptr ? 0 : static_cast<double>(mean[x][e]);
  }
};

// Which of the chains to means of HeadTask leaves `x`: by v through item 0 or 1, by the others through the one that is
// not theirs.
TENSIM_KERNEL constexpr unsigned end_of(unsigned x, unsigned item) {
  return x == kKinds - 1 ? item : 2 + x;
}

// The moments of the items and what the means of a head's sums are made of: a block per query goes through its keys.
template <class T>
struct HeadMomentKernel {
  static constexpr unsigned kThreads = 4 * kLanes;
  using Arguments = TaskList<HeadTask<T>>;
  using Task = HeadTask<T>;
  struct Shared {
    HeadTable<T> table;
    double parts[Task::kItemMoments][kThreads];
    double items[Task::kItemMoments];
  };
  struct Registers {};

  // Element e of C[x][y] a, or of C[x][y] times the mean of kind `a`.
  TENSIM_KERNEL static double image(const HeadTable<T>& table, const Task& task, unsigned x, unsigned y,
                                    const double* a, unsigned mean, std::uint32_t e) {
    const ChainBlock<T>& block = table.c[x][y];
    if (block.data == nullptr) return 0;
    double sum = 0;
    for (std::uint32_t j = 0; j < task.size; ++j) {
      const double factor = a == nullptr ? table.mean_at(mean, j) : a[j];
      sum += static_cast<double>(block.data[e * block.row + j * block.column]) * factor;
    }
    return sum;
  }
  // Element e of the chain from x through an item to a mean.
  TENSIM_KERNEL static double end(const HeadTable<T>& table, const Task& task, unsigned x, unsigned item,
                                  std::uint32_t e) {
    return image(table, task, x, 2 * item, nullptr, 2 * item + 1, e) +
           image(table, task, x, 2 * item + 1, nullptr, 2 * item, e);
  }
  TENSIM_KERNEL static double square(const HeadTable<T>& table, unsigned x, unsigned y, unsigned x2, unsigned y2,
                                     std::uint32_t i, std::uint32_t j) {
    const ChainBlock<T>&a = table.c[x][y], &b = table.c[x2][y2];
    if (a.data == nullptr || b.data == nullptr) return 0;
    return static_cast<double>(a.data[i * a.row + j * a.column]) *
           static_cast<double>(b.data[i * b.row + j * b.column]);
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const Task& task = list.tasks[number];
    const auto place = static_cast<std::uint32_t>(block.index - list.first[number]);
    const std::uint32_t head = place / task.positions, s = place % task.positions, size = task.size;
    const HeadTable<T>& table = shared.table;
    for (std::uint32_t t = 0; t < task.seen(s); ++t) {
      const std::uint64_t unit = std::uint64_t{place} * task.positions + t;
      double* const items = task.items + unit * Task::kItemMoments;
      double* const ends = task.means == nullptr ? nullptr : task.ends + unit * Task::kEnds * size;
      block.each_thread([&](unsigned thread, Registers&) { shared.table.fill(task, head, s, t, thread, kThreads); });
      block.each_thread([&](unsigned thread, Registers&) {
        double first = 0, second = 0, joint = 0;
        for (std::uint32_t e = thread; e < size; e += kThreads) {
          const ChainBlock<T>&a = table.c[0][1], &b = table.c[2][3];
          first += table.mean_at(0, e) * table.mean_at(1, e);
          second += table.mean_at(2, e) * table.mean_at(3, e);
          if (a.data != nullptr) first += static_cast<double>(a.data[e * (a.row + a.column)]);
          if (b.data != nullptr) second += static_cast<double>(b.data[e * (b.row + b.column)]);
        }
        for (std::uint32_t at = thread; at < size * size; at += kThreads) {
          joint += square(table, 0, 2, 1, 3, at / size, at % size) + square(table, 0, 3, 1, 2, at / size, at % size);
        }
        for (std::uint32_t at = thread; ends != nullptr && at < Task::kEnds * size; at += kThreads) {
          const unsigned which = at / size;
          const unsigned x = which < 2 ? kKinds - 1 : which - 2, item = which < 2 ? which : which < 4 ? 1 : 0;
          ends[at] = end(table, task, x, item, at % size);
        }
        shared.parts[0][thread] = first;
        shared.parts[1][thread] = second;
        shared.parts[2][thread] = joint;
      });
      // The paths between means.
      block.each_thread([&](unsigned thread, Registers&) {
        for (std::uint32_t e = thread; ends != nullptr && e < size; e += kThreads) {
          shared.parts[2][thread] +=
              table.mean_at(1, e) * ends[end_of(0, 1) * size + e] + table.mean_at(0, e) * ends[end_of(1, 1) * size + e];
        }
      });
      block.each_thread([&](unsigned thread, Registers&) {
        if (thread != 0) return;
        double sums[Task::kItemMoments] = {0, 0, 0};
        for (unsigned n = 0; n < kThreads; ++n) {
          TENSIM_UNROLL
          for (unsigned i = 0; i < Task::kItemMoments; ++i) sums[i] += shared.parts[i][n];
        }
        sums[2] += sums[0] * sums[1];
        TENSIM_UNROLL
        for (unsigned i = 0; i < Task::kItemMoments; ++i) shared.items[i] = items[i] = sums[i];
      });
      if (ends == nullptr) continue;
      // E[v F_0 F_1]
      block.each_thread([&](unsigned thread, Registers&) {
        constexpr unsigned kValue = kKinds - 1;
        for (std::uint32_t e = thread; e < size; e += kThreads) {
          double sum = table.mean_at(kValue, e) * shared.items[2] +
                       ends[end_of(kValue, 0) * size + e] * shared.items[1] +
                       ends[end_of(kValue, 1) * size + e] * shared.items[0];
          for (unsigned x = 0; x < kKinds - 1; ++x) {  // v → an item → the other → a mean
            sum += image(table, task, kValue, x, ends + end_of(other_half(x), 0) * size, 0, e);
          }
          double* const value = task.values + (std::uint64_t{s} * task.heads + head) * size + e;
          *value = t == 0 ? sum : *value + sum;
        }
      });
    }
  }
};

// The slopes themselves, in tiles of 32×32, one per block of 32 threads: those by the keys and the value of one
// position, or those by the queries, which are summed over all keys.
template <class T>
struct HeadSlopeKernel {
  static constexpr unsigned kThreads = kLanes;
  static constexpr unsigned kResident = 8;
  using Arguments = TaskList<HeadTask<T>>;
  using Task = HeadTask<T>;
  using Steps = ChainSteps<T>;
  using Micro = typename Steps::Micro;
  struct Shared {
    HeadTable<T> table;
    typename Steps::Tile a, b;
  };
  struct Registers {
    Micro sum;
  };

  struct Place {
    std::uint64_t unit;  // (head, s, t)
    unsigned row, rows, column, columns;
  };

  TENSIM_KERNEL static Micro& sum_of(Registers& own) { return own.sum; }

  // += E[v wᵀ F_i]: what ∂(v F_0 F_1)/∂x is on average, w the other half of x's item and i the other item.
  template <class Block>
  TENSIM_KERNEL static void add_derivative(Block& block, Shared& shared, const Task& task, const Place& place,
                                           unsigned x) {
    constexpr unsigned kValue = kKinds - 1;
    const HeadTable<T>& table = shared.table;
    const unsigned w = other_half(x), item = 1 - x / 2;
    for (unsigned enter = 2 * item; enter < 2 * item + 2; ++enter) {
      // C[v][enter] by its transpose, whose neighbouring rows lie side by side.
      const ChainBlock<T>&in = table.c[enter][kValue], &out = table.c[other_half(enter)][w];
      if (in.data == nullptr || out.data == nullptr) continue;
      Steps::add_product(block, shared, {in.data, in.column, in.row}, out, task.size,
                         {place.row, place.rows, place.column, place.columns}, sum_of);
    }
    const double whole = task.items[place.unit * Task::kItemMoments + item];
    block.each_thread([&](unsigned thread, Registers& own) {
      if (table.c[kValue][w].data != nullptr) {
        const Micro direct =
            Steps::load(table.c[kValue][w], place.row, place.rows, place.column, place.columns, thread);
        TENSIM_UNROLL
        for (unsigned i = 0; i < Micro::kOwnRows; ++i) {
          TENSIM_UNROLL
          for (unsigned j = 0; j < Micro::kOwnColumns; ++j) {
            own.sum.values[i][j] += static_cast<T>(whole) * direct.values[i][j];
          }
        }
      }
      if (task.means == nullptr) return;
      const double* const ends = task.ends + place.unit * Task::kEnds * task.size;
      own.sum.each(thread, [&](unsigned i, unsigned j, T& value) {
        if (i >= place.rows || j >= place.columns) return;
        const std::uint32_t r = place.row + i, e = place.column + j;
        const double left = table.mean_at(kValue, r), chain = ends[end_of(kValue, item) * task.size + r] + whole * left;
        value += static_cast<T>(chain * table.mean_at(w, e) + left * ends[end_of(w, item) * task.size + e]);
      });
    });
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const Task& task = list.tasks[number];
    const unsigned across = (task.size + kTile - 1) / kTile;
    const std::uint64_t at = block.index - list.first[number],
                        head_query = at / (across * across) / (task.positions + 1);
    const auto tile = static_cast<unsigned>(at % (across * across));
    const auto r = static_cast<std::uint32_t>(at / (across * across) % (task.positions + 1));
    const auto head = static_cast<std::uint32_t>(head_query / task.positions),
               s = static_cast<std::uint32_t>(head_query % task.positions);
    Place place{head_query * task.positions + r, tile / across * kTile,
                Steps::remaining(task.size, tile / across * kTile), tile % across * kTile,
                Steps::remaining(task.size, tile % across * kTile)};
    const std::uint64_t row = std::uint64_t{task.positions} * kKinds * task.size;
    T* const slopes = task.slopes + (std::uint64_t{s} * task.heads + head) * task.size * row;
    const auto put = [&](std::uint32_t position, unsigned kind) {
      T* const to = slopes + place.row * row + (std::uint64_t{position} * kKinds + kind) * task.size + place.column;
      block.each_thread([&](unsigned thread, Registers& own) {
        own.sum.each(thread, [&](unsigned i, unsigned j, T& value) {
          if (i < place.rows && j < place.columns) to[i * row + j] = value;
        });
      });
    };
    const auto clear = [&] { block.each_thread([](unsigned, Registers& own) { own.sum.clear(); }); };
    const auto fill = [&](std::uint32_t t) {
      block.each_thread([&](unsigned thread, Registers&) { shared.table.fill(task, head, s, t, thread, kThreads); });
    };

    if (r == task.positions) {
      for (unsigned x = 0; x < kKinds - 1; x += 2) {
        clear();
        for (std::uint32_t t = 0; t < task.seen(s); ++t) {
          place.unit = head_query * task.positions + t;
          fill(t);
          add_derivative(block, shared, task, place, x);
        }
        put(s, x);
      }
      return;
    }
    if (r >= task.seen(s)) return;
    fill(r);
    for (unsigned x = 1; x < kKinds - 1; x += 2) {
      clear();
      add_derivative(block, shared, task, place, x);
      put(r, x);
      clear();
      if (r != s) put(r, other_half(x));
    }
    const double both = task.items[place.unit * Task::kItemMoments + 2];
    block.each_thread([&](unsigned thread, Registers& own) {
      own.sum.clear();
      own.sum.each(thread, [&](unsigned i, unsigned j, T& value) {
        if (place.row + i == place.column + j) value = static_cast<T>(both);
      });
    });
    put(r, kKinds - 1);
  }
};

}  // namespace tensim::cuda
