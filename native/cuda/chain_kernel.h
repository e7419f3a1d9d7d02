#pragma once

#include "chain_task.h"
#include "mean_kernel.h"

namespace tensim::cuda {

// The covariance of every unit, in tiles of 32×32, one per block of 32 threads: all chains from v to w, cut behind
// their first item and the half x of the second by which they enter it,
//
//   Σ_{i, x} D_i[v][x] · T_{i,x}
//   T_{i,x} = Σ_{near, far} Σ_y C[x̄][y] D_far[ȳ][w] + Z(m) D_l[x̄][w] + Z(l) D_m[x̄][w] + Z(lm) C[x̄][w]
//
// with l and m the items that are neither i nor that of x, near and far each of them once, y a half of near; as in
// gaussian/chains.cc, which skips the same zeros. First all D_far[y][w] are computed and laid aside, then one T after
// the other, which never leaves the block.
template <class T>
struct ChainKernel {
  static constexpr unsigned kThreads = kLanes;
  // There is room for 12 in float, but they have fewer registers than this takes: 3.95 ms instead of 3.25 for a pair of
  // V = 4096, d = 256 on an H200.
  static constexpr unsigned kResident = sizeof(T) < sizeof(double) ? 8 : 7;
  using Arguments = TaskList<ChainTask<T>>;
  using Steps = ChainSteps<T>;
  struct Shared {
    ChainTable<T> table;
    typename Steps::Tile a, b, tail;
    double moments[kSubsets];
  };
  struct Registers {
    typename Steps::Micro sum;
  };

  static constexpr unsigned kAll = kSubsets - 1, kOurs = 3, kTheirs = 12;

  // A block's place: its unit, the first row and column of its tile, and D_item[x][w], of which it has 32 columns.
  struct Place {
    std::uint64_t unit;
    unsigned row, column, rows, columns;
    T* pieces;
    ChainBlock<T> covariance;  // in `parts`, where a thread adds to its own elements: registers are short
    std::uint32_t largest;

    TENSIM_KERNEL ChainBlock<T> piece(unsigned item, unsigned x) const {
      const unsigned number = item * (kHalves - 2) + (x < 2 * item ? x : x - 2);
      return {pieces + std::uint64_t{number} * largest * kTile, kTile, 1};
    }
  };

  TENSIM_KERNEL static typename Steps::Micro& sum_of(Registers& own) { return own.sum; }

  template <class Block>
  TENSIM_KERNEL static void clear_sum(Block& block) {
    block.each_thread([](unsigned, Registers& own) { own.sum.clear(); });
  }

  template <class Block>
  TENSIM_KERNEL static void find_pieces(Block& block, Shared& shared, const Place& place) {
    const ChainTable<T>& table = shared.table;
    for (unsigned item = 0; item < kItems; ++item) {
      for (unsigned x = 0; x < kHalves; ++x) {
        if (x / 2 == item || !table.through(item, x, kW)) continue;
        for (unsigned row = 0; row < table.size(x); row += kTile) {
          clear_sum(block);
          Steps::add_through(block, shared, item, x, kW, row, place.column, sum_of);
          block.each_thread([&](unsigned thread, Registers& own) {
            T* const to = pieces_of(place, item, x) + row * kTile;
            const unsigned rows = Steps::remaining(table.size(x), row);
            own.sum.each_quad(thread, [&](unsigned i, unsigned j, const Quad<T>& quad) {
              if (i < rows) *reinterpret_cast<Quad<T>*>(to + i * kTile + j) = quad;
            });
          });
        }
      }
    }
  }
  TENSIM_KERNEL static T* pieces_of(const Place& place, unsigned item, unsigned x) {
    return const_cast<T*>(place.piece(item, x).data);
  }

  // own.sum += factor · a block's elements from (row, column) on.
  TENSIM_KERNEL static void add_scaled(Registers& own, double factor, const ChainBlock<T>& from, unsigned row,
                                       unsigned rows, unsigned column, unsigned columns, unsigned thread) {
    add_to(own.sum, static_cast<T>(factor), Steps::load(from, row, rows, column, columns, thread));
  }
  TENSIM_KERNEL static void add_to(typename Steps::Micro& sum, T factor, const typename Steps::Micro& more) {
    TENSIM_UNROLL
    for (unsigned i = 0; i < Steps::Micro::kOwnRows; ++i) {
      TENSIM_UNROLL
      for (unsigned j = 0; j < Steps::Micro::kOwnColumns; ++j) sum.values[i][j] += factor * more.values[i][j];
    }
  }

  // Rows `row` … of T_{i,x}, into own.sum. Gives whether there is anything.
  template <class Block>
  TENSIM_KERNEL static bool find_tail(Block& block, Shared& shared, const Place& place, unsigned i, unsigned x,
                                      unsigned row) {
    const ChainTable<T>& table = shared.table;
    const unsigned leave = other_half(x), rest = kAll & ~(1u << i) & ~(1u << x / 2);
    const unsigned l = (rest & 1) != 0 ? 0 : (rest & 2) != 0 ? 1 : 2;
    const unsigned m = (rest & 8) != 0 ? 3 : (rest & 4) != 0 ? 2 : 1;
    const unsigned rows = Steps::remaining(table.size(leave), row);
    bool any = false;
    clear_sum(block);
    for (unsigned turn = 0; turn < 2; ++turn) {
      const unsigned near = turn == 0 ? l : m, far = turn == 0 ? m : l;
      for (unsigned y = 2 * near; y < 2 * near + 2; ++y) {
        if (table.c[leave][y].data == nullptr || !table.through(far, other_half(y), kW)) continue;
        any = true;
        Steps::add_product(block, shared, table.left(leave, y), place.piece(far, other_half(y)), table.size(y),
                           {row, rows, 0, place.columns}, sum_of);
      }
    }
    const bool by_l = table.through(l, leave, kW), by_m = table.through(m, leave, kW),
               direct = table.c[leave][kW].data != nullptr;
    block.each_thread([&](unsigned thread, Registers& own) {
      if (by_l) {
        add_scaled(own, shared.moments[1u << m], place.piece(l, leave), row, rows, 0, place.columns, thread);
      }
      if (by_m) {
        add_scaled(own, shared.moments[1u << l], place.piece(m, leave), row, rows, 0, place.columns, thread);
      }
      if (direct) {
        add_scaled(own, shared.moments[rest], table.c[leave][kW], row, rows, place.column, place.columns, thread);
      }
    });
    return any || by_l || by_m || direct;
  }

  // Σ_S K(S) Z(I∖S): the chains from v to w.
  template <class Block>
  TENSIM_KERNEL static void add_between(Block& block, Shared& shared, const Place& place) {
    const ChainTable<T>& table = shared.table;
    for (unsigned i = 0; i < kItems; ++i) {
      for (unsigned x = 0; x < kHalves; ++x) {
        if (x / 2 == i || !table.through(i, kV, x)) continue;
        for (unsigned k = 0; k < table.size(x); k += kTile) {
          if (!find_tail(block, shared, place, i, x, k)) continue;
          block.each_thread([&](unsigned thread, Registers& own) {
            own.sum.each_quad(thread, [&](unsigned row, unsigned column, const Quad<T>& quad) {
              shared.tail.quads[row][column / kQuad] = quad;
            });
          });
          clear_sum(block);
          Steps::add_through(block, shared, i, kV, x, place.row, k, sum_of);
          block.each_thread([&](unsigned thread, Registers& own) {
            own.sum.each(thread, [&](unsigned row, unsigned column, T value) { shared.a.at(column, row) = value; });
          });
          block.each_thread([&](unsigned thread, Registers& own) {
            own.sum = covariance(place, thread);
            own.sum.multiply(shared.a, shared.tail, Steps::remaining(table.size(x), k), thread);
            set_covariance(place, own.sum, thread);
          });
        }
      }
    }
    // The chains of one item and of none.
    for (unsigned item = 0; item < kItems; ++item) {
      if (!table.through(item, kV, kW)) continue;
      clear_sum(block);
      Steps::add_through(block, shared, item, kV, kW, place.row, place.column, sum_of);
      block.each_thread([&](unsigned thread, Registers& own) {
        const auto factor = static_cast<T>(shared.moments[kAll & ~(1u << item)]);
        typename Steps::Micro all = covariance(place, thread);
        add_to(all, factor, own.sum);
        set_covariance(place, all, thread);
      });
    }
    if (table.c[kV][kW].data == nullptr) return;
    block.each_thread([&](unsigned thread, Registers& own) {
      own.sum = covariance(place, thread);
      add_scaled(own, shared.moments[kAll], table.c[kV][kW], place.row, place.rows, place.column, place.columns,
                 thread);
      set_covariance(place, own.sum, thread);
    });
  }

  TENSIM_KERNEL static typename Steps::Micro covariance(const Place& place, unsigned thread) {
    return Steps::load(place.covariance, 0, place.rows, 0, place.columns, thread);
  }
  TENSIM_KERNEL static void set_covariance(const Place& place, typename Steps::Micro& from, unsigned thread) {
    T* const to = const_cast<T*>(place.covariance.data);
    const std::uint32_t row = place.covariance.row;
    const bool quads = place.columns % kQuad == 0 && in_quads(to, row);
    from.each_quad(thread, [&](unsigned i, unsigned j, const Quad<T>& quad) {
      if (i >= place.rows) return;
      T* const own = to + i * row + j;
      if (quads && j < place.columns) *reinterpret_cast<Quad<T>*>(own) = quad;
      TENSIM_UNROLL
      for (unsigned e = 0; e < kQuad; ++e) {
        if (!quads && j + e < place.columns) own[e] = quad.x[e];
      }
    });
  }

  // Σ_{S,S'} V_v(S) V_w(S')ᵀ Z(I∖S∖S') without what E[v F_1 F_2] E[w F'_1 F'_2]ᵀ is made of: no difference of large
  // numbers is taken.
  template <class Block>
  TENSIM_KERNEL static void add_ends(Block& block, Shared& shared, const Place& place, const T* vectors) {
    const T* const left = vectors + kSubsets * kHalves * place.largest;
    const T* const right = left + kSubsets * place.largest;
    block.each_thread([&](unsigned thread, Registers&) {
      for (unsigned at = thread; at < kSubsets * kTile; at += kThreads) {
        const unsigned s = at / kTile, e = at % kTile;
        if (e < place.rows) shared.a.at(s, e) = left[s * place.largest + place.row + e];
        if (e >= place.columns) continue;
        const unsigned others = kAll & ~s;
        double sum = 0;
        for (unsigned s2 = others;; s2 = (s2 - 1) & others) {
          const unsigned rest = others & ~s2;
          double weight = shared.moments[rest];
          if ((s & kTheirs) == 0 && (s2 & kOurs) == 0)
            weight -= shared.moments[rest & kOurs] * shared.moments[rest & kTheirs];
          sum += weight * static_cast<double>(right[s2 * place.largest + place.column + e]);
          if (s2 == 0) break;
        }
        shared.b.at(s, e) = static_cast<T>(sum);
      }
    });
    block.each_thread([&](unsigned thread, Registers& own) {
      own.sum = covariance(place, thread);
      own.sum.multiply(shared.a, shared.b, kSubsets, thread);
      set_covariance(place, own.sum, thread);
    });
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const ChainTask<T>& task = list.tasks[number];
    const std::uint64_t own_block = block.index - list.first[number], tile = task.first_block + own_block;
    const auto down = static_cast<std::uint32_t>((task.size_a + kTile - 1) / kTile),
               across = static_cast<std::uint32_t>((task.size_b + kTile - 1) / kTile);
    Place place;
    place.unit = tile / (down * across);
    place.row = static_cast<unsigned>(tile / across % down) * kTile;
    place.column = static_cast<unsigned>(tile % across) * kTile;
    place.rows = Steps::remaining(task.size_a, place.row);
    place.columns = Steps::remaining(task.size_b, place.column);
    place.largest = task.largest();
    place.covariance = {task.parts + place.unit * task.size_a * task.size_b + place.row * task.size_b + place.column,
                        task.size_b, 1};
    place.pieces = task.pieces + own_block * task.pieces_size();
    block.each_thread([&](unsigned thread, Registers& own) {
      shared.table.fill(task, place.unit, thread);
      if (thread < kSubsets) shared.moments[thread] = task.moments[place.unit * kSubsets + thread];
      own.sum.clear();
      set_covariance(place, own.sum, thread);
    });
    find_pieces(block, shared, place);
    add_between(block, shared, place);
    if (task.vectors != nullptr) add_ends(block, shared, place, task.vectors + place.unit * task.vectors_size());
  }
};

// Adds up the systems of every group, in order and in double.
template <class T>
struct ChainSumKernel {
  static constexpr unsigned kThreads = 256;
  using Arguments = TaskList<ChainTask<T>>;
  struct Shared {};
  struct Registers {};

  static std::uint64_t elements(const ChainTask<T>& task) {
    return std::uint64_t{task.group_count} * task.heads_a * task.heads_b * task.size_a * task.size_b;
  }
  static std::uint64_t blocks(const ChainTask<T>& task) { return (elements(task) + kThreads - 1) / kThreads; }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& list) {
    const std::uint32_t number = task_of(list.first, list.count, block.index);
    const ChainTask<T>& task = list.tasks[number];
    const std::uint64_t begin = (block.index - list.first[number]) * kThreads;
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t area = std::uint64_t{task.size_a} * task.size_b,
                          heads = std::uint64_t{task.heads_a} * task.heads_b;
      const std::uint64_t at = begin + thread, e = at % area, pair = at / area % heads;
      if (at / area / heads >= task.group_count) return;
      const ChainGroup group = task.groups[at / area / heads];
      const std::uint64_t h = pair / task.heads_b, h2 = pair % task.heads_b;
      double sum = 0;
      for (std::uint32_t system = group.begin; system < group.end; ++system) {
        sum += static_cast<double>(task.parts[(pair * task.system_count + system) * area + e]);
      }
      const std::uint64_t row = (group.s * std::uint64_t{task.heads_a} + h) * task.size_a + e / task.size_b,
                          column = (group.s2 * std::uint64_t{task.heads_b} + h2) * task.size_b + e % task.size_b;
      task.sums[row * task.sums_row + column] = static_cast<T>(sum);
    });
  }
};

}  // namespace tensim::cuda
