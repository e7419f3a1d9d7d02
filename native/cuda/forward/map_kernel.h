#pragma once

#include "panels.h"

namespace tensim::cuda {

// Rows that no map multiplies lie one after the other, so many elements apart, with zeros behind their elements.
constexpr std::uint64_t kRowAlign = 4;
TENSIM_BOTH constexpr std::uint64_t padded(std::uint64_t width) {
  return (width + kRowAlign - 1) / kRowAlign * kRowAlign;
}

// What becomes of a row z = W x + b of a map, and how y lies.
enum class MapEnd : std::uint32_t {
  kPanels,   // y = z, in panels
  kProduct,  // y_u = z_2u · z_(2u+1) + c_u, in panels
  kRows,     // y = z, row after row; there is neither α nor β
  kTurned,   // likewise, with the pairs (2j, 2j + 1) of the first features turned by the position (rotary embedding)
};

// y = α r + β end(W x + b) for every row x: a layer, or the part of one between two element-wise functions.
template <class T>
struct MapTask {
  const T* x;       // (rows, depth), in panels
  const T* weight;  // (columns, depth), likewise
  const T* bias;    // (columns), or null
  T* y;             // (rows, outputs)
  std::uint64_t rows, columns, depth;
  MapEnd end;  // that of the kernel

  const T* behind;  // c, or null

  const T* turns;                         // cos and sin of every pair of a head, (positions, size)
  std::uint64_t turned, size, positions;  // turned: so many columns

  const T* residual;  // r, of rows like y; may be y; or null
  T alpha, beta;

  TENSIM_BOTH std::uint64_t row_tiles() const { return (rows + kTileRows - 1) / kTileRows; }
  TENSIM_BOTH std::uint64_t column_tiles() const { return (columns + kTileRows - 1) / kTileRows; }
  TENSIM_BOTH std::uint64_t tiles() const { return row_tiles() * column_tiles(); }
};

// A map on tensor cores, in tiles of 128 rows and 128 columns. The copies for a tile begin while the one before is
// finished and put in place. An element depends on its own row alone.
template <class T, MapEnd kEnd, bool kTf32>
struct MapKernel {
  using Product = TileProduct<T, kTf32>;
  using Pair = PiecePair<T>;
  static constexpr unsigned kThreads = Product::kThreads;
  static constexpr bool kInPanels = kEnd == MapEnd::kPanels || kEnd == MapEnd::kProduct;
  using Arguments = MapTask<T>;
  using Shared = typename Product::Shared;
  struct Registers {
    typename Product::Registers product;
  };

  // The stage that is copied next.
  struct Cursor {
    std::uint32_t tile, stage;
  };

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& task) {
    const auto stages = static_cast<std::uint32_t>((task.depth + kStage<T> - 1) / kStage<T>),
               tiles = static_cast<std::uint32_t>(task.tiles());
    Cursor cursor{static_cast<std::uint32_t>(block.index), 0};
    TENSIM_UNROLL
    for (unsigned n = 0; n < kStages; ++n) fetch(block, shared, task, stages, cursor, n);
    block.template wait<kStages - 1>();
    unsigned slot = 0;
    for (auto tile = static_cast<std::uint32_t>(block.index); tile < tiles;
         tile += static_cast<std::uint32_t>(block.count)) {
      // Anew for every tile: what the last stage has read ahead would take registers while a tile is put in place.
      Product::begin(block, shared, slot);
      Product::clear(block);
      for (std::uint32_t stage = 0; stage < stages; ++stage) {
        Product::add(block, shared, slot, [&] {
          block.template wait<kStages - 2>();
          fetch(block, shared, task, stages, cursor, slot);
        });
        slot = slot + 1 == kStages ? 0 : slot + 1;
      }
      block.alone([&](unsigned thread, Registers& own) { store(task, tile, thread, own.product); });
    }
  }

 private:
  TENSIM_KERNEL static std::uint64_t at_most(std::uint64_t x, std::uint64_t most) { return x < most ? x : most; }

  // Begins to copy a stage: warp n has the panel n of the eight. A panel that is not there is another one's copy.
  template <class Block>
  TENSIM_KERNEL static void fetch(Block& block, Shared& shared, const Arguments& task, std::uint32_t stages,
                                  Cursor& cursor, unsigned slot) {
    block.alone([&](unsigned thread, Registers&) {
      if (cursor.tile < task.tiles()) {
        const unsigned panel = thread / kWarp, lane = thread % kWarp;
        const bool row_side = panel < kTilePanels;
        const auto across = static_cast<std::uint32_t>(task.column_tiles());
        const std::uint32_t tile = row_side ? cursor.tile / across : cursor.tile % across;
        const std::uint64_t wanted = std::uint64_t{tile} * kTilePanels + panel % kTilePanels;
        const std::uint64_t number = at_most(wanted, panels_of(row_side ? task.rows : task.columns) - 1);
        const Pair* const from = reinterpret_cast<const Pair*>(row_side ? task.x : task.weight) +
                                 (number * stages + cursor.stage) * kStagePairs<T>;
        Pair* const to = shared.stages[slot][panel];
        TENSIM_UNROLL
        for (unsigned n = 0; n < kStagePairs<T>; n += kWarp) {
          block.template copy<sizeof(Pair)>(to + n + lane, from + n + lane);
        }
      }
      block.commit();
    });
    if (++cursor.stage < stages) return;
    cursor.stage = 0;
    cursor.tile += static_cast<std::uint32_t>(block.count);
  }

  TENSIM_KERNEL static void store(const Arguments& task, std::uint32_t tile, unsigned thread,
                                  typename Product::Registers& own) {
    const unsigned g = thread % kWarp / 4, t = thread % 4;
    const auto across = static_cast<std::uint32_t>(task.column_tiles());
    const std::uint64_t row0 =
        std::uint64_t{tile / across} * kTileRows + 2 * Product::warp_y(thread) * kPanelRows + 2 * g;
    const std::uint64_t column0 =
        std::uint64_t{tile % across} * kTileRows + Product::warp_x(thread) * kPanelRows + 2 * t;
    TENSIM_UNROLL
    for (unsigned j = 0; j < Product::kColumnTiles; ++j) {
      const std::uint64_t column = column0 + 8 * j;
      T bias[2] = {T(0), T(0)};
      TENSIM_UNROLL
      for (unsigned e = 0; e < 2; ++e) {
        if (task.bias != nullptr && column + e < task.columns) bias[e] = task.bias[column + e];
      }
      TENSIM_UNROLL
      for (unsigned i = 0; i < Product::kRowTiles; ++i) {
        const std::uint64_t row = row0 + 16 * i;
        const T(&c)[4] = Product::products(own, i, j);
        const T z[2][2] = {{c[0] + bias[0], c[1] + bias[1]}, {c[2] + bias[0], c[3] + bias[1]}};
        if constexpr (kEnd == MapEnd::kPanels) {
          put_pairs(task, row, column, z);
        } else if constexpr (kEnd == MapEnd::kProduct) {
          put_products(task, row, column, z);
        } else {
          put_rows(task, row, column, z);
        }
      }
    }
  }

  // Two columns of the rows of a unit.
  TENSIM_KERNEL static void put_pairs(const Arguments& task, std::uint64_t row, std::uint64_t column,
                                      const T (&z)[2][2]) {
    if (column >= panel_width<T>(task.columns) || row >= panels_of(task.rows) * kPanelRows) return;
    TENSIM_UNROLL
    for (unsigned first = 0; first < 2; first += kPiece<T>) {
      const std::uint64_t at = pair_at<T>(row, column + first, task.columns);
      Pair pair;
      TENSIM_UNROLL
      for (unsigned n = 0; n < 2 * kPiece<T>; ++n) {
        const unsigned s = n / kPiece<T>, e = n % kPiece<T>;
        pair.elements[s][e] = column + first + e < task.columns ? task.beta * z[s][first + e] : T(0);
      }
      if (task.residual != nullptr) {
        const Pair before = *reinterpret_cast<const Pair*>(task.residual + at);
        TENSIM_UNROLL
        for (unsigned n = 0; n < 2 * kPiece<T>; ++n) {
          pair.elements[n / kPiece<T>][n % kPiece<T>] += task.alpha * before.elements[n / kPiece<T>][n % kPiece<T>];
        }
      }
      *reinterpret_cast<Pair*>(task.y + at) = pair;
    }
  }

  TENSIM_KERNEL static void put_products(const Arguments& task, std::uint64_t row, std::uint64_t column,
                                         const T (&z)[2][2]) {
    const std::uint64_t unit = column / 2, outputs = task.columns / 2;
    if (unit >= panel_width<T>(outputs) || row >= panels_of(task.rows) * kPanelRows) return;
    TENSIM_UNROLL
    for (unsigned s = 0; s < 2; ++s) {
      const std::uint64_t at = element_at<T>(row + s, unit, outputs);
      T value = T(0);
      if (unit < outputs) {
        value = task.beta * (z[s][0] * z[s][1] + (task.behind == nullptr ? T(0) : task.behind[unit]));
        if (task.residual != nullptr) value += task.alpha * task.residual[at];
      }
      task.y[at] = value;
    }
  }

  // Two neighbouring elements of a row, which lie in one piece of memory.
  struct alignas(2 * sizeof(T)) Two {
    T x[2];
  };

  TENSIM_KERNEL static void put_rows(const Arguments& task, std::uint64_t row, std::uint64_t column,
                                     const T (&z)[2][2]) {
    const std::uint64_t stride = padded(task.columns);
    if (column >= stride) return;
    TENSIM_UNROLL
    for (unsigned s = 0; s < 2; ++s) {
      if (row + s >= task.rows) continue;
      Two two{{z[s][0], z[s][1]}};
      if constexpr (kEnd == MapEnd::kTurned) {
        if (column < task.turned) {
          const T* const turn = task.turns + (row + s) % task.positions * task.size + column % task.size;
          two.x[0] = z[s][0] * turn[0] - z[s][1] * turn[1];
          two.x[1] = z[s][1] * turn[0] + z[s][0] * turn[1];
        }
      }
      if (column >= task.columns) two.x[0] = T(0);
      if (column + 1 >= task.columns) two.x[1] = T(0);
      *reinterpret_cast<Two*>(task.y + (row + s) * stride + column) = two;
    }
  }
};

}  // namespace tensim::cuda
