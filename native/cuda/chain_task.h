#pragma once

#include "micro_tile.h"

namespace tensim::cuda {

// Ten vectors as in gaussian/chains.h: halves 0 … 3 ours and 4 … 7 theirs, item i of them 2i (q) and 2i + 1 (k); v
// ours, w theirs. By kind (q1, k1, q2, k2, v) ours are 0, 1, 2, 3, kV.
constexpr unsigned kItems = 4, kHalves = 8, kV = 8, kW = 9, kVectors = 10, kKinds = 5;
constexpr unsigned kSubsets = 16;

// Queries at s, keys and values at t of one model, and at s2 and t2 of the other.
struct ChainSystem {
  std::uint32_t s, t, s2, t2;
};

// Systems [begin, end) whose covariances are added up, for positions s of ours and s2 of theirs.
struct ChainGroup {
  std::uint32_t begin, end, s, s2;
};

// Cov(v F_1 F_2, w F'_1 F'_2) for every head of ours, every head of theirs and every system (MATH.md section 4): the
// kernels below take one such triple, a *unit*, at a time; units of two heads lie side by side.
template <class T>
struct ChainTask {
  // Covariances within a model: (head, position, position or, if independent, 1), each a matrix (5·size, 5·size).
  // Means: (position, head, kind, size), or null.
  const T *own_a, *own_b, *means_a, *means_b;
  // Between them: (position, position or, if alike, 1), each a matrix (heads·5·size, heads'·5·size').
  const T* cross;
  const ChainSystem* systems;
  const ChainGroup* groups;
  std::uint32_t system_count, group_count, positions, heads_a, heads_b, size_a, size_b;
  std::uint32_t independent_a, independent_b, alike;

  // Of a unit: chains from means (subset, half, largest), then V_v and V_w (subset, largest); null without means.
  T* vectors;
  double* paths;    // of a unit: by subset; null without means
  double* moments;  // of a unit: Z by subset
  T* pieces;        // of a block of the chain kernel: D_i[x][w], 24 of them, (rows of x, 32)
  T* parts;         // of a unit: the covariance, (size, size')

  // Where the blocks of the two heads' sums go, row s·inner + h·size, column s2·inner' + h'·size'.
  T* sums;
  std::uint64_t sums_row;

  // The chain kernel's first block of this launch.
  std::uint64_t first_block;

  static constexpr std::uint64_t tiles(std::uint64_t size) { return (size + kTile - 1) / kTile; }
  TENSIM_BOTH std::uint32_t largest() const { return size_a > size_b ? size_a : size_b; }
  TENSIM_BOTH std::uint64_t units() const { return std::uint64_t{heads_a} * heads_b * system_count; }
  TENSIM_BOTH std::uint64_t vectors_size() const { return std::uint64_t{kSubsets} * (kHalves + 2) * largest(); }
  TENSIM_BOTH std::uint64_t pieces_size() const { return std::uint64_t{kItems * (kHalves - 2)} * largest() * kTile; }
  std::uint64_t chain_blocks() const { return units() * tiles(size_a) * tiles(size_b); }
};

TENSIM_KERNEL constexpr unsigned other_half(unsigned half) {
  return half ^ 1;
}
TENSIM_KERNEL constexpr bool is_theirs(unsigned vector) {
  return vector == kW || (vector >= 4 && vector < kHalves);
}

// A covariance block of two of the vectors, null where it is zero.
template <class T>
struct ChainBlock {
  const T* data;
  std::uint32_t row, column;  // strides
};

// Of which head of a model covariances within it are looked up.
struct OwnBlocks {
  std::uint64_t positions, head;
  std::uint32_t size;
  bool independent;
};

// That of kinds x and y at positions p and q, in what ChainTask has of a model.
template <class T>
TENSIM_KERNEL ChainBlock<T> own_block(const T* from, const OwnBlocks& of, std::uint64_t p, unsigned x, std::uint64_t q,
                                      unsigned y) {
  if (of.independent && p != q) return {nullptr, 0, 0};
  const std::uint64_t at = of.head * of.positions + p, pair = of.independent ? at : at * of.positions + q;
  const std::uint32_t row = kKinds * of.size;
  return {from + (pair * row + x * of.size) * row + y * of.size, row, 1};
}
template <class T>
TENSIM_KERNEL const T* own_mean(const T* from, std::uint64_t heads, std::uint64_t head, std::uint64_t size,
                                std::uint64_t p, unsigned x) {
  return from == nullptr ? nullptr : from + ((p * heads + head) * kKinds + x) * size;
}

// What a block of threads keeps of its unit: where the moments of the ten vectors lie.
template <class T>
struct ChainTable {
  ChainBlock<T> c[kVectors][kVectors];
  const T* mean[kVectors];
  std::uint32_t sizes[2];

  TENSIM_KERNEL std::uint32_t size(unsigned vector) const { return sizes[is_theirs(vector) ? 1 : 0]; }
  // C[x][y] read as the transpose of C[y][x]: within a model both lie in memory, and this has neighbouring rows side by
  // side.
  TENSIM_KERNEL ChainBlock<T> left(unsigned x, unsigned y) const {
    const ChainBlock<T>& block = c[y][x];
    return {block.data, block.column, block.row};
  }
  // Whether D_item[x][y] is anything but zero, entered by one half or the other.
  TENSIM_KERNEL bool leads(unsigned x, unsigned enter, unsigned y) const {
    return c[x][enter].data != nullptr && c[other_half(enter)][y].data != nullptr;
  }
  TENSIM_KERNEL bool through(unsigned item, unsigned x, unsigned y) const {
    return leads(x, 2 * item, y) || leads(x, 2 * item + 1, y);
  }

  // Entries thread, thread + 32 …: a phase of 32 threads fills the table.
  TENSIM_KERNEL void fill(const ChainTask<T>& task, std::uint64_t unit, unsigned thread) {
    const ChainSystem system = task.systems[unit % task.system_count];
    const std::uint64_t heads = unit / task.system_count;
    const auto h = static_cast<std::uint32_t>(heads / task.heads_b),
               h2 = static_cast<std::uint32_t>(heads % task.heads_b);
    const std::uint64_t n = task.positions;
    const auto position = [&](unsigned x) {
      const bool query = x < kHalves && x % 2 == 0;
      return is_theirs(x) ? (query ? system.s2 : system.t2) : (query ? system.s : system.t);
    };
    const auto kind = [](unsigned x) { return x >= kHalves ? kKinds - 1 : x % 4; };
    const auto between = [&](unsigned x, unsigned y) {
      const std::uint64_t p = position(x), q = position(y);
      if (task.alike != 0 && p != q) return ChainBlock<T>{nullptr, 0, 0};
      const std::uint64_t rows = std::uint64_t{task.heads_a} * kKinds * task.size_a,
                          columns = std::uint64_t{task.heads_b} * kKinds * task.size_b;
      const std::uint64_t pair = task.alike != 0 ? p : p * n + q;
      const std::uint64_t row = (h * kKinds + kind(x)) * std::uint64_t{task.size_a},
                          column = (h2 * kKinds + kind(y)) * std::uint64_t{task.size_b};
      return ChainBlock<T>{task.cross + pair * rows * columns + row * columns + column,
                           static_cast<std::uint32_t>(columns), 1};
    };
    for (unsigned entry = thread; entry < kVectors * kVectors; entry += kLanes) {
      const unsigned x = entry / kVectors, y = entry % kVectors;
      if (is_theirs(x) == is_theirs(y)) {
        const bool theirs = is_theirs(x);
        const OwnBlocks of{n, theirs ? h2 : h, theirs ? task.size_b : task.size_a,
                           (theirs ? task.independent_b : task.independent_a) != 0};
        c[x][y] = own_block(theirs ? task.own_b : task.own_a, of, position(x), kind(x), position(y), kind(y));
      } else if (is_theirs(y)) {
        c[x][y] = between(x, y);
      } else {
        const ChainBlock<T> flipped = between(y, x);
        c[x][y] = {flipped.data, flipped.column, flipped.row};
      }
    }
    for (unsigned x = thread; x < kVectors; x += kLanes) {
      mean[x] = is_theirs(x) ? own_mean(task.means_b, task.heads_b, h2, task.size_b, position(x), kind(x))
                             : own_mean(task.means_a, task.heads_a, h, task.size_a, position(x), kind(x));
    }
    if (thread == 0) {
      sizes[0] = task.size_a;
      sizes[1] = task.size_b;
    }
  }
};

// Products of blocks in tiles of 32×32, by 32 threads. `Shared` has the tiles a and b, and the table.
template <class T>
struct ChainSteps {
  using Tile = StagedTile<T, kTile, kTile>;
  using Micro = MicroTile<T, 1, 8>;

  TENSIM_KERNEL static unsigned remaining(std::uint32_t size, unsigned begin) {
    return size - begin < kTile ? size - begin : kTile;
  }

  // An operand's part of a step: element i of row or column, of step k of the depth, is data[k·step + i·place], k <
  // depth ≤ 32 and i < width ≤ 32. One of the strides is 1. Beyond lie zeros.
  struct Operand {
    const T* data;
    std::uint32_t step, place;
    unsigned depth, width;

    // Eight threads read a row in quads, and write it as it is.
    TENSIM_KERNEL bool by_rows() const { return place == 1 && width % kQuad == 0 && in_quads(data, step); }
    // Where neighbours in memory are neighbours in k, two threads read eight of a place at a time, so that all 32 write
    // to different banks.
    TENSIM_KERNEL bool by_columns() const { return step == 1 && depth % kQuad == 0 && in_quads(data, place); }
  };

  static constexpr unsigned kRun = 8, kPair = 2, kQuads = kTile / kQuad;
  TENSIM_KERNEL static unsigned k_by_columns(unsigned thread, unsigned n) {
    return (n % kQuad * kPair + thread % kPair) * kQuad;
  }
  TENSIM_KERNEL static unsigned i_by_columns(unsigned thread, unsigned n) {
    return n / kQuad * (kLanes / kPair) + thread / kPair;
  }

  // A thread's 32 elements of an operand.
  TENSIM_KERNEL static void fetch(const Operand& from, unsigned thread, Quad<T>* to) {
    if (from.by_rows()) {
      const T* own = from.data + thread / kRun * from.step + thread % kRun * kQuad;
      TENSIM_UNROLL
      for (unsigned n = 0; n < kQuads; ++n, own += kLanes / kRun * from.step) {
        to[n] = Quad<T>{};
        if (n * (kLanes / kRun) + thread / kRun < from.depth && thread % kRun * kQuad < from.width)
          to[n] = quad_at(own);
      }
    } else if (from.by_columns()) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < kQuads; ++n) {
        const unsigned k = k_by_columns(thread, n), i = i_by_columns(thread, n);
        to[n] = Quad<T>{};
        if (k < from.depth && i < from.width) to[n] = quad_at(from.data + k + i * from.place);
      }
    } else {
      TENSIM_UNROLL
      for (unsigned k = 0; k < kTile; ++k) {
        const bool inside = k < from.depth && thread < from.width;
        to[k / kQuad].x[k % kQuad] = inside ? from.data[k * from.step + thread * from.place] : T(0);
      }
    }
  }
  // What `fetch` gave for the same operand.
  TENSIM_KERNEL static void put(const Operand& operand, unsigned thread, const Quad<T>* from, Tile& to) {
    if (operand.by_rows()) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < kQuads; ++n) to.quads[n * (kLanes / kRun) + thread / kRun][thread % kRun] = from[n];
    } else if (operand.by_columns()) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < kQuads; ++n) {
        TENSIM_UNROLL
        for (unsigned e = 0; e < kQuad; ++e) to.at(k_by_columns(thread, n) + e, i_by_columns(thread, n)) = from[n].x[e];
      }
    } else {
      TENSIM_UNROLL
      for (unsigned k = 0; k < kTile; ++k) to.at(k, thread) = from[k / kQuad].x[k % kQuad];
    }
  }
  // In float both are on their way at a time; in double they would take too many registers.
  TENSIM_KERNEL static void stage(const Operand& a, const Operand& b, unsigned thread, Tile& to_a, Tile& to_b) {
    if constexpr (sizeof(T) < sizeof(double)) {
      Quad<T> own_a[kQuads], own_b[kQuads];
      fetch(a, thread, own_a);
      fetch(b, thread, own_b);
      put(a, thread, own_a, to_a);
      put(b, thread, own_b, to_b);
    } else {
      Quad<T> own[kQuads];
      fetch(a, thread, own);
      put(a, thread, own, to_a);
      fetch(b, thread, own);
      put(b, thread, own, to_b);
    }
  }

  // A thread's elements of the tile at (row, column) of a block, zero outside.
  TENSIM_KERNEL static Micro load(const ChainBlock<T>& from, unsigned row, unsigned rows, unsigned column,
                                  unsigned columns, unsigned thread) {
    const T* const data = from.data + row * from.row + column * from.column;
    Micro own;
    own.clear();
    if (from.column == 1 && columns % kQuad == 0 && in_quads(data, from.row)) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < Micro::kOwnRows * Micro::kOwnColumns / kQuad; ++n) {
        const unsigned y = Micro::row(thread, n / 2), x = Micro::column(thread, n % 2 * kQuad);
        if (y >= rows || x >= columns) continue;
        const Quad<T> quad = quad_at(data + y * from.row + x);
        TENSIM_UNROLL
        for (unsigned e = 0; e < kQuad; ++e) own.values[n / 2][n % 2 * kQuad + e] = quad.x[e];
      }
    } else if (from.row == 1 && rows % kQuad == 0 && in_quads(data, from.column)) {
      TENSIM_UNROLL
      for (unsigned j = 0; j < Micro::kOwnColumns; ++j) {
        const unsigned y = Micro::row(thread, 0), x = Micro::column(thread, j);
        if (y >= rows || x >= columns) continue;
        const Quad<T> quad = quad_at(data + y + x * from.column);
        TENSIM_UNROLL
        for (unsigned e = 0; e < kQuad; ++e) own.values[e][j] = quad.x[e];
      }
    } else {
      own.each(thread, [&](unsigned y, unsigned x, T& value) {
        if (y < rows && x < columns) value = data[y * from.row + x * from.column];
      });
    }
    return own;
  }

  // Some rows and columns of a block, a tile at most.
  struct Part {
    unsigned row, rows, column, columns;
  };

  // That part of A·B, whose depth is told, added to what `pick` gives of a thread's registers.
  template <class Block, class Shared, class Pick>
  TENSIM_KERNEL static void add_product(Block& block, Shared& shared, const ChainBlock<T>& a, const ChainBlock<T>& b,
                                        std::uint32_t depth, const Part& part, const Pick& pick) {
    for (unsigned k = 0; k < depth; k += kTile) {
      const unsigned steps = remaining(depth, k);
      const Operand left{a.data + k * a.column + part.row * a.row, a.column, a.row, steps, part.rows},
          right{b.data + k * b.row + part.column * b.column, b.row, b.column, steps, part.columns};
      block.each_thread([&](unsigned thread, auto&) { stage(left, right, thread, shared.a, shared.b); });
      block.each_thread([&](unsigned thread, auto& own) { pick(own).multiply(shared.a, shared.b, steps, thread); });
    }
  }

  // The tile at (row, column) of D_item[x][y], added likewise.
  template <class Block, class Shared, class Pick>
  TENSIM_KERNEL static void add_through(Block& block, Shared& shared, unsigned item, unsigned x, unsigned y,
                                        unsigned row, unsigned column, const Pick& pick) {
    const ChainTable<T>& table = shared.table;
    for (unsigned enter = 2 * item; enter < 2 * item + 2; ++enter) {
      if (!table.leads(x, enter, y)) continue;
      add_product(block, shared, table.left(x, enter), table.c[other_half(enter)][y], table.size(enter),
                  {row, remaining(table.size(x), row), column, remaining(table.size(y), column)}, pick);
    }
  }
};

}  // namespace tensim::cuda
