#pragma once

#include "reach.h"
#include "series.h"

namespace tensim::cuda {

// A pair of units that is left to closed forms.
struct ListedUnits {
  std::uint32_t pair, row, column, negative;
};

// A tile of a pair of models.
struct UnitsWork {
  std::uint32_t row, column;  // sides
  std::uint32_t row_tile, column_tile;
  std::uint32_t pair, part;
  std::uint32_t most;           // the last degree that both have
  std::uint16_t same, stepped;  // of a model with itself, pairs above the diagonal alone are taken
};

// What the degrees from 2 on contribute, Σ_ij M_ij K_ij with M = DᵀD' (MATH.md sections 10 and 11), tile after tile of
// units. A tile of M is multiplied first and put down in the device's memory, where it stays in the cache; then those
// of the units follow (of gated ones, which have two rows each, four of half the size), and their series are summed in
// registers. So all of it are products at the rate of TileProduct, and no matrix of pairs of units is kept, unless
// slices are wanted: then K takes the place of M.
//
// A block takes one tile after the other, and the panels of the next product are on their way while it still works.
template <class T, bool kGated, bool kTf32>
struct UnitsKernel {
  using Product = TileProduct<T, kTf32>;
  using Series = UnitsSeries<T, kGated, kTf32>;
  static constexpr unsigned kThreads = Product::kThreads;
  static constexpr unsigned kSquares = kGated ? 4 : 1;
  static constexpr unsigned kSums = 3;  // degree 2, those from 3 on, and the bound
  static constexpr unsigned kPartSize = 4;

  using Work = UnitsWork;

  struct Arguments {
    const UnitsSide<T>* sides;
    const Work* work;
    std::uint32_t work_count, row_stages, down_stages;
    double tolerance;
    // M, of every block or, where K is kept, of every tile.
    T* area;
    std::uint32_t keep;
    // As many as there is room for, in any order, and how many there are.
    std::uint32_t capacity;
    ListedUnits* listed;
    std::uint32_t* listed_count;
    double* parts;
  };

  struct Shared {
    typename Product::Shared product;
    T most[kThreads];
    double sums[kSums][kThreads];  // of every thread: not in registers, which the products need
    double ends[kSums][kThreads / kWarp * 4];
  };

  struct Registers {
    typename Product::Registers product;
    const PiecePair<T>* next;  // of the panel that this thread copies from
    double sums[kSums];
    typename Series::Registers series;
  };

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& arguments) {
    Cursor fetched{static_cast<std::uint32_t>(block.index), 0, 0};
    TENSIM_UNROLL
    for (unsigned n = 0; n < kStages; ++n) fetch(block, shared, arguments, fetched, n);
    block.template wait<kStages - 1>();
    unsigned slot = 0;
    const auto multiply = [&](std::uint32_t stages) {
      // What the product before has read ahead is read again: series have no registers left to keep it in.
      Product::begin(block, shared.product, slot);
      // Cleared before the loop (pair_kernel.h).
      Product::clear(block);
      for (std::uint32_t stage = 0; stage < stages; ++stage) {
        Product::add(block, shared.product, slot, [&] {
          block.template wait<kStages - 2>();
          fetch(block, shared, arguments, fetched, slot);
        });
        slot = slot + 1 == kStages ? 0 : slot + 1;
      }
    };
    for (std::uint32_t w = static_cast<std::uint32_t>(block.index); w < arguments.work_count;
         w += static_cast<std::uint32_t>(block.count)) {
      const auto area = [&] { return arguments.area + (arguments.keep != 0 ? w : block.index) * kTileArea; };
      multiply(arguments.down_stages);
      put_down(block, shared, area());
      TENSIM_ROLLED
      for (unsigned square = 0; square < kSquares; ++square) {
        multiply(arguments.row_stages);
        finish(block, shared, arguments, arguments.work[w], square, area());
      }
      store(block, shared, arguments, arguments.work[w]);
    }
  }

 private:
  // The stage of a product that is copied next.
  struct Cursor {
    std::uint32_t work;
    unsigned product;  // that of D, then the squares
    std::uint32_t stage;
  };

  // Begins to copy a stage into a slot of shared memory: warp n has the panel n of the eight. A panel that is not there
  // is another one's copy.
  template <class Block>
  TENSIM_KERNEL static void fetch(Block& block, Shared& shared, const Arguments& arguments, Cursor& cursor,
                                  unsigned slot) {
    const std::uint32_t stages = cursor.product == 0 ? arguments.down_stages : arguments.row_stages;
    block.alone([&](unsigned thread, Registers& own) {
      if (cursor.work < arguments.work_count) {
        // Not to be remembered over products and series, which need all registers that there are.
        const unsigned here = afresh(thread), panel = here / kWarp, lane = here % kWarp;
        if (cursor.stage == 0) {
          const Work& work = arguments.work[cursor.work];
          const bool rows = panel < kTilePanels;
          const UnitsSide<T>& side = arguments.sides[rows ? work.row : work.column];
          const unsigned has = cursor.product == 0 ? kPanelRows : kPanelHas<kGated>;
          const unsigned square = cursor.product == 0 ? 0 : cursor.product - 1;
          const std::uint32_t first = (rows ? work.row_tile : work.column_tile) * (kTileUnits / has) +
                                      (rows ? square / 2 : square % 2) * kTilePanels;
          const std::uint32_t wanted = first + panel % kTilePanels, last = (side.units - 1) / has;
          own.next = (cursor.product == 0 ? side.down : side.rows) +
                     std::uint64_t{wanted < last ? wanted : last} * stages * kStagePairs<T>;
        }
        PiecePair<T>* const to = shared.product.stages[slot][panel];
        TENSIM_UNROLL
        for (unsigned n = 0; n < kStagePairs<T>; n += kWarp) {
          block.template copy<sizeof(PiecePair<T>)>(to + n + lane, own.next + n + lane);
        }
        own.next += kStagePairs<T>;
      }
      block.commit();
    });
    if (++cursor.stage < stages) return;
    cursor.stage = 0;
    if (++cursor.product <= kSquares) return;
    cursor.product = 0;
    cursor.work += static_cast<std::uint32_t>(block.count);
  }

  template <class Block>
  TENSIM_KERNEL static void put_down(Block& block, Shared& shared, T* area) {
    block.each_thread([&](unsigned thread, Registers& own) {
      const unsigned g = thread % kWarp / 4, t = thread % 4;
      T* const first = area + (Product::warp_y(thread) * 2 * kPanelRows + 2 * g) * kTileUnits +
                       Product::warp_x(thread) * kPanelRows + 2 * t;
      TENSIM_UNROLL
      for (unsigned n = 0; n < Product::kRowTiles * Product::kColumnTiles * 4; ++n) {
        const unsigned i = n / (Product::kColumnTiles * 4), j = n / 4 % Product::kColumnTiles, s = n % 4 / 2;
        first[(16 * i + s) * kTileUnits + 8 * j + n % 2] = Product::products(own.product, i, j)[n % 4];
      }
      TENSIM_UNROLL
      for (unsigned n = 0; n < kSums; ++n) shared.sums[n][thread] = 0;
    });
  }

  // The series of a square, whose products are in registers.
  template <class Block>
  TENSIM_KERNEL static void finish(Block& block, Shared& shared, const Arguments& arguments, const Work& work,
                                   unsigned square, T* area) {
    const UnitsSide<T>&row = arguments.sides[work.row], &column = arguments.sides[work.column];
    const auto reach_of = [&](unsigned thread) {
      return Reach<T>(row, column,
                      work.row_tile * kTileUnits + Series::row_of(thread, square, 0) / kUnitsGroup * kUnitsGroup,
                      Series::kWarpRows,
                      work.column_tile * kTileUnits + Series::column_of(thread, square, 0) / kUnitsGroup * kUnitsGroup,
                      Series::kWarpColumns, kGated, work.stepped != 0, work.most, arguments.tolerance);
    };
    block.each_thread([&](unsigned thread, Registers& own) {
      const T limit = static_cast<T>(reach_of(thread).limit());
      T most = T(0);
      TENSIM_UNROLL
      for (unsigned n = 0; n < Series::kRows * Series::kColumns; ++n) {
        const unsigned a = n / Series::kColumns, b = n % Series::kColumns;
        const std::uint32_t i = work.row_tile * kTileUnits + Series::row_of(thread, square, a),
                            j = work.column_tile * kTileUnits + Series::column_of(thread, square, b);
        const T rho = Series::rho(own.product, a, b), size = rho < T(0) ? -rho : rho;
        bool there = i < row.units && j < column.units && (work.same == 0 || i < j);
        if (there && size > limit) {
          const std::uint32_t place = count_up(arguments.listed_count);
          if (place < arguments.capacity) arguments.listed[place] = {work.pair, i, j, rho < T(0) ? 1u : 0u};
          there = false;
        }
        if (!there) {
          Series::remove(own.product, a, b);
        } else if (size > most) {
          most = size;
        }
      }
      shared.most[thread] = most;
    });
    block.alone([&](unsigned thread, Registers& own) {
      T most = T(0);
      const T* const others = shared.most + thread / kWarp * kWarp;
      for (unsigned lane = 0; lane < kWarp; ++lane) most = others[lane] > most ? others[lane] : most;
      double bound;
      const std::uint32_t terms = reach_of(thread).terms_for(static_cast<double>(most), bound);
      Series::add(own.product, own.series, row, column, work.row_tile * kTileUnits, work.column_tile * kTileUnits,
                  terms, thread, square, area, arguments.keep != 0, shared.sums[0][thread], shared.sums[1][thread]);
      if (thread % kWarp == 0) shared.sums[2][thread] += bound;
    });
  }

  // The sums of a tile, in the order of its warps.
  template <class Block>
  TENSIM_KERNEL static void store(Block& block, Shared& shared, const Arguments& arguments, const Work& work) {
    block.alone([&](unsigned thread, Registers& own) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < kSums; ++n) own.sums[n] = shared.sums[n][thread];
    });
    TENSIM_UNROLL
    for (unsigned n = 0; n < kSums; ++n) {
      block.add_lanes([&](Registers& own) -> double& { return own.sums[n]; });
    }
    block.each_thread([&](unsigned thread, Registers& own) {
      const unsigned lane = thread % kWarp;
      if (lane >= 4) return;
      TENSIM_UNROLL
      for (unsigned n = 0; n < kSums; ++n) shared.ends[n][thread / kWarp * 4 + lane] = own.sums[n];
    });
    block.alone([&](unsigned thread, Registers&) {
      if (thread >= kSums) return;
      double sum = 0;
      for (double value : shared.ends[thread]) sum += value;
      arguments.parts[std::uint64_t{work.part} * kPartSize + thread] = sum;
    });
  }
};

}  // namespace tensim::cuda
