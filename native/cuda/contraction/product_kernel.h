#pragma once

#include "../tile_product.h"

namespace tensim::cuda {

// A batch of products of matrices that lie anywhere: the element (i, k) of A in entry x is at batch_a[x] + rows_a[i] +
// depth_a[k], and so on. With several parts each is a sum over a stretch of the depth, and goes to its own place.
template <class T>
struct ProductTask {
  const T *a, *b;
  T* out;
  const std::int64_t *batch_a, *batch_b, *batch_out;
  const std::int64_t *rows_a, *rows_out, *columns_b, *columns_out;
  const std::int64_t* depths[2];  // of A and of B
  std::uint64_t rows, columns, depth;
  std::uint64_t part_depth, part_size;  // less than 2^31; in elements of the output
  std::uint32_t parts, row_tiles, column_tiles;
  std::uint32_t first, count;  // tiles of this launch
  T factor;
  std::uint32_t accumulate;
  std::uint32_t along_depth[2];  // A, B: neighbours along the depth lie nearer than others
  std::uint32_t in_pairs;        // columns 2j and 2j + 1 of the output lie side by side and are aligned as one
};

// The product as TileProduct takes it, straight from the strided operands: single elements are copied to where they
// belong in shared memory, by vectors of offsets. Those of the depth come the same way, two stages ahead.
template <class T, bool kTf32>
struct ProductKernel {
  using Product = TileProduct<T, kTf32>;
  static constexpr unsigned kThreads = Product::kThreads;
  using Pair = PiecePair<T>;
  using Arguments = ProductTask<T>;

  static constexpr unsigned kAhead = 2;  // stages
  struct Shared {
    typename Product::Shared product;
    std::int64_t depths[kStages][2][kStage<T>];
    const T* sources[2 * kTilePanels][kThreads];  // the row of every panel that a thread copies from; null outside
  };
  struct Registers {
    typename Product::Registers product;
  };

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& task) {
    Cursor fetched(task, block.index);
    {
      Cursor ahead = fetched;
      for (unsigned n = 0; n <= kAhead; ++n) {
        block.alone([&](unsigned thread, Registers&) {
          if (ahead.over(task) || thread >= 2 * kStage<T>) return;
          const unsigned operand = thread / kStage<T>, k = thread % kStage<T>;
          shared.depths[n][operand][k] = k < ahead.left ? task.depths[operand][ahead.depth + k] : 0;
        });
        ahead.advance(task, block.count);
      }
    }
    TENSIM_UNROLL
    for (unsigned n = 0; n < kStages; ++n) {
      block.each_thread([](unsigned, Registers&) {});  // the offsets are there, and those before read
      fetch(block, shared, task, fetched, n, n > 0);
    }
    block.template wait<kStages - 1>();
    Product::begin(block, shared.product, 0);
    unsigned slot = 0;
    for (auto work = static_cast<std::uint32_t>(block.index); work < task.count;
         work += static_cast<std::uint32_t>(block.count)) {
      std::uint32_t stages = (Span(task, task.first + work).length + kStage<T> - 1) / kStage<T>;
      Product::clear(block);
      for (; stages > 0; --stages) {
        Product::add(block, shared.product, slot, [&] {
          block.template wait<kStages - 2>();
          fetch(block, shared, task, fetched, slot, true);
        });
        slot = slot + 1 == kStages ? 0 : slot + 1;
      }
      store(block, task, Tile(task, task.first + work));
    }
  }

 private:
  // Which tile of the output a block works on. Eight rows of tiles are gone through column after column, so that the
  // blocks at work at a time read the same panels.
  struct Tile {
    std::uint64_t row, column;
    std::uint32_t entry, part;

    TENSIM_KERNEL Tile(const Arguments& task, std::uint32_t work) {
      constexpr std::uint32_t kTogether = 8;
      const std::uint32_t tile = work % (task.row_tiles * task.column_tiles), whole = kTogether * task.column_tiles;
      const std::uint32_t group = tile / whole * kTogether, rest = tile % whole;
      const std::uint32_t height = task.row_tiles - group < kTogether ? task.row_tiles - group : kTogether;
      row = std::uint64_t{group + rest % height} * kTileRows;
      column = std::uint64_t{rest / height} * kTileRows;
      part = work / (task.row_tiles * task.column_tiles) % task.parts;
      entry = work / (task.row_tiles * task.column_tiles) / task.parts;
    }
  };

  // Which part of the depth.
  struct Span {
    std::uint64_t begin = 0;
    std::uint32_t length;

    TENSIM_KERNEL Span(const Arguments& task, std::uint32_t work) {
      if (task.parts > 1) begin = Tile(task, work).part * task.part_depth;
      const std::uint64_t left = task.depth - begin;
      length = static_cast<std::uint32_t>(left < task.part_depth ? left : task.part_depth);
    }
  };

  // A stage of a tile.
  struct Cursor {
    std::uint64_t depth = 0;
    std::uint32_t work, left = 0;  // the first of this launch is 0; what is left of the depth
    bool first = true;             // stage of its tile

    TENSIM_KERNEL Cursor(const Arguments& task, std::uint64_t index) : work(static_cast<std::uint32_t>(index)) {
      enter(task);
    }
    TENSIM_KERNEL bool over(const Arguments& task) const { return work >= task.count; }
    TENSIM_KERNEL void enter(const Arguments& task) {
      first = true;
      if (over(task)) return;
      const Span span(task, task.first + work);
      depth = span.begin;
      left = span.length;
    }
    TENSIM_KERNEL void advance(const Arguments& task, std::uint64_t count) {
      if (over(task)) return;
      first = false;
      if (left > kStage<T>) {
        depth += kStage<T>;
        left -= kStage<T>;
        return;
      }
      work += static_cast<std::uint32_t>(count);
      enter(task);
    }
  };

  // Of every panel a thread copies one row, and of every step one element of it. 32 threads copy 4 rows of 8 elements
  // or 8 rows of 4, which are neighbours in memory, and write to all banks.
  struct Share {
    unsigned row, k;
    TENSIM_KERNEL Share(bool along_depth, unsigned thread) {
      const unsigned lane = thread % kWarp, warp = thread / kWarp;
      const unsigned fast = lane % 4 + lane / 16 * 4, slow = lane / 4 % 4;
      row = along_depth ? warp * 4 + slow : warp % 4 * 8 + fast;
      k = along_depth ? fast : warp / 4 * 4 + slow;
    }
  };

  // Begins to copy a stage, and the offsets of one that comes later.
  template <class Block>
  TENSIM_KERNEL static void fetch(Block& block, Shared& shared, const Arguments& task, Cursor& cursor, unsigned slot,
                                  bool offsets) {
    block.alone([&](unsigned number, Registers&) {
      const unsigned thread = afresh(number);
      if (!cursor.over(task)) {
        if (cursor.first) choose(shared, task, Tile(task, task.first + cursor.work), thread);
        TENSIM_UNROLL
        for (unsigned operand = 0; operand < 2; ++operand) copy(block, shared, task, cursor, slot, operand, thread);
      }
      if (offsets && thread < 2 * kStage<T>) {
        Cursor ahead = cursor;
        TENSIM_UNROLL
        for (unsigned n = 0; n < kAhead; ++n) ahead.advance(task, block.count);
        copy_offsets(block, shared, task, ahead, slot < kStages - kAhead ? slot + kAhead : slot + kAhead - kStages,
                     thread);
      }
      block.commit();
    });
    cursor.advance(task, block.count);
  }

  template <class Block>
  TENSIM_KERNEL static void copy_offsets(Block& block, Shared& shared, const Arguments& task, const Cursor& ahead,
                                         unsigned slot, unsigned thread) {
    if (ahead.over(task)) return;
    const unsigned operand = thread / kStage<T>, k = thread % kStage<T>;
    const std::int64_t* const from = task.depths[operand] + ahead.depth;
    const bool inside = k < ahead.left;
    block.template copy<sizeof(std::int64_t)>(&shared.depths[slot][operand][k], inside ? from + k : from, !inside);
  }

  // The rows of one operand's panels, which a thread copies from.
  TENSIM_KERNEL static void choose(Shared& shared, const Arguments& task, unsigned operand, const T* data,
                                   const std::int64_t* places, std::uint64_t first, std::uint64_t count,
                                   unsigned thread) {
    const std::uint64_t row = first + Share(task.along_depth[operand] != 0, thread).row;
    TENSIM_UNROLL
    for (unsigned panel = 0; panel < kTilePanels; ++panel) {
      const std::uint64_t place = row + panel * kPanelRows;
      shared.sources[operand * kTilePanels + panel][thread] = place < count ? data + places[place] : nullptr;
    }
  }
  TENSIM_KERNEL static void choose(Shared& shared, const Arguments& task, const Tile& tile, unsigned thread) {
    choose(shared, task, 0, task.a + task.batch_a[tile.entry], task.rows_a, tile.row, task.rows, thread);
    choose(shared, task, 1, task.b + task.batch_b[tile.entry], task.columns_b, tile.column, task.columns, thread);
  }

  template <class Block>
  TENSIM_KERNEL static void copy(Block& block, Shared& shared, const Arguments& task, const Cursor& cursor,
                                 unsigned slot, unsigned operand, unsigned thread) {
    const Share share(task.along_depth[operand] != 0, thread);
    const unsigned place = place_of(share.row / 2, share.k / kPiece<T>);
    TENSIM_UNROLL
    for (unsigned s = 0; s < kStageSteps<T>; ++s) {
      const unsigned k = s * kStep + share.k;
      const std::int64_t offset = shared.depths[slot][operand][k];
      TENSIM_UNROLL
      for (unsigned panel = 0; panel < kTilePanels; ++panel) {
        const T* const source = shared.sources[operand * kTilePanels + panel][thread];
        Pair& pair = shared.product.stages[slot][operand * kTilePanels + panel][s * kStepPairs<T> + place];
        const bool inside = source != nullptr && k < cursor.left;
        block.template copy<sizeof(T)>(&pair.elements[share.row % 2][share.k % kPiece<T>],
                                       inside ? source + offset : task.a, !inside);
      }
    }
  }

  struct alignas(2 * sizeof(T)) Two {
    T x[2];
  };

  template <class Block>
  TENSIM_KERNEL static void store(Block& block, const Arguments& task, const Tile& tile) {
    block.alone([&](unsigned thread, Registers& own) {
      const unsigned g = thread % kWarp / 4, t = thread % 4;
      T* const out = task.out + tile.part * task.part_size + task.batch_out[tile.entry];
      TENSIM_UNROLL
      for (unsigned j = 0; j < Product::kColumnTiles; ++j) {
        const std::uint64_t column = tile.column + Product::warp_x(thread) * kPanelRows + 2 * (4 * j + t);
        if (column >= task.columns) continue;
        const bool second = column + 1 < task.columns;
        const std::int64_t left = task.columns_out[column];
        const std::int64_t right = task.in_pairs != 0 || !second ? left + 1 : task.columns_out[column + 1];
        TENSIM_UNROLL
        for (unsigned n = 0; n < Product::kRowTiles * 2; ++n) {
          const unsigned i = n / 2, h = n % 2;
          const std::uint64_t row =
              tile.row + (2 * Product::warp_y(thread) + i / 2) * kPanelRows + 2 * (i % 2 * 8 + g) + h;
          if (row >= task.rows) continue;
          const T(&c)[4] = Product::products(own.product, i, j);
          const T x = task.factor * c[2 * h], y = task.factor * c[2 * h + 1];
          T* const to = out + task.rows_out[row];
          if (task.in_pairs != 0 && second) {
            Two* const both = reinterpret_cast<Two*>(to + left);
            if (task.accumulate != 0) {
              const Two before = *both;
              *both = {{before.x[0] + x, before.x[1] + y}};
            } else {
              *both = {{x, y}};
            }
          } else {
            to[left] = task.accumulate != 0 ? to[left] + x : x;
            if (second) to[right] = task.accumulate != 0 ? to[right] + y : y;
          }
        }
      }
    });
  }
};

}  // namespace tensim::cuda
