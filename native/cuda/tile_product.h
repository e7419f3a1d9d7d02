#pragma once

#include "grid.h"

namespace tensim::cuda {

// The product of 128 rows with 128 rows, along their common depth, on tensor cores: what the pair kernel and the vector kernel have in common.
//
// Rows come in panels of 32, and a panel is kept as 16 *units* of two rows, L and R. The depth is cut into steps of 64 bytes per row, a step
// into four chunks of 16 bytes. In a step of a panel, chunk t of row s (0: L, 1: R) of unit u lies at place
//
//   (2u + (s ^ u % 2))·4 + t                    u = 0:  L0 L1 L2 L3 R0 R1 R2 R3      u = 1:  R0 R1 R2 R3 L0 L1 L2 L3   …
//
// so that a warp reads the fragments of 8 units, or of 4, out of different banks of shared memory.
//
// A block of 8 warps multiplies four row panels by four column panels; a warp two row panels by one column panel: 4×4 products of fragments,
// (8 units × {L, R}) × (4 units × {L', R'}). Its lane (g, t) ends up with all four products of a unit with a unit,
//
//            | L'    R'   |
//        L   | c[0]  c[1] |        unit g of the rows, unit t of the columns
//        R   | c[2]  c[3] |
//
// Elements of one kind have their products added up along the depth in the same order wherever they are in the block.
//
// float64 is multiplied as it is. Of a float the tensor cores read 11 bits, so it is split into two numbers of 11 bits, and of the four
// products the three larger ones are taken: as exact as a product in float32. Tensor cores cut off where they add in float32, so what they
// have added up is moved to a sum rounded to nearest after every stage.
constexpr unsigned kPanelUnits = 16;
constexpr unsigned kPanelRows = 2 * kPanelUnits;
constexpr unsigned kTilePanels = 4;  // on either side
constexpr unsigned kTileRows = kTilePanels * kPanelRows;
constexpr unsigned kChunkBytes = 16;
constexpr unsigned kStepChunks = kPanelRows * 4;  // of a panel
constexpr unsigned kStageSteps = 2;
constexpr unsigned kStageChunks = kStageSteps * kStepChunks;
// Of shared memory: 96 KiB in all, which every GPU with FP64 tensor cores has.
constexpr unsigned kStages = 3;

// Elements of a row in a chunk, a step and a stage.
template <class T>
constexpr unsigned kChunk = kChunkBytes / sizeof(T);
template <class T>
constexpr unsigned kStep = 4 * kChunk<T>;
template <class T>
constexpr unsigned kStage = kStageSteps* kStep<T>;

// Where chunk t of row s of unit u of a panel is in a step.
TENSIM_KERNEL unsigned place_of(unsigned unit, unsigned s, unsigned t) {
  return (2 * unit + (s ^ (unit & 1))) * 4 + t;
}

template <class T>
struct TileProduct {
  static constexpr unsigned kThreads = 256;
  static constexpr bool kSplit = sizeof(T) < sizeof(double);
  static constexpr unsigned kParts = kSplit ? 2 : 1;
  static constexpr unsigned kRowTiles = 4, kColumnTiles = 4;  // products of fragments that a warp has

  struct alignas(kChunkBytes) Chunk {
    T elements[kChunk<T>];
  };
  // Row panels, then column panels.
  struct Shared {
    Chunk stages[kStages][2 * kTilePanels][kStageChunks];
  };

  struct Registers {
    T sums[kRowTiles][kColumnTiles][4];  // of a stage, if split, else of all
    T folded[kSplit ? kRowTiles : 1][kColumnTiles][4];
    Chunk rows[kRowTiles][2], columns[kColumnTiles];
    T a[kParts][kRowTiles][4], b[kParts][kColumnTiles][2];
  };

  // The panels of a warp: row panels 2y and 2y + 1, column panel x.
  TENSIM_KERNEL static unsigned warp_y(unsigned thread) { return thread / kWarp / kTilePanels; }
  TENSIM_KERNEL static unsigned warp_x(unsigned thread) { return thread / kWarp % kTilePanels; }

  // The products so far.
  TENSIM_KERNEL static T (&products(Registers& own, unsigned i, unsigned j))[4] {
    if constexpr (kSplit) {
      return own.folded[i][j];
    } else {
      return own.sums[i][j];
    }
  }

  template <class Block>
  TENSIM_KERNEL static void clear(Block& block) {
    block.alone([](unsigned, auto& own) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < kRowTiles * kColumnTiles * 4; ++n) {
        products(own.product, n / (kColumnTiles * 4), n / 4 % kColumnTiles)[n % 4] = T(0);
      }
    });
  }

  // Adds the products of a stage that has arrived in shared memory.
  template <class Block>
  TENSIM_KERNEL static void add(Block& block, const Shared& shared, unsigned stage) {
    if constexpr (kSplit) {
      block.alone([](unsigned, auto& own) {
        TENSIM_UNROLL
        for (unsigned n = 0; n < kRowTiles * kColumnTiles * 4; ++n) {
          own.product.sums[n / (kColumnTiles * 4)][n / 4 % kColumnTiles][n % 4] = T(0);
        }
      });
    }
    TENSIM_UNROLL
    for (unsigned step = 0; step < kStageSteps; ++step) {
      block.alone([&](unsigned thread, auto& own) { load(thread, own.product, shared.stages[stage], step); });
      TENSIM_UNROLL
      for (unsigned pair = 0; pair < kChunk<T>; pair += 2) {
        block.alone([&](unsigned, auto& own) { take(own.product, pair); });
        multiply(block);
      }
    }
    if constexpr (kSplit) {
      block.alone([](unsigned, auto& own) {
        TENSIM_UNROLL
        for (unsigned n = 0; n < kRowTiles * kColumnTiles * 4; ++n) {
          const unsigned i = n / (kColumnTiles * 4), j = n / 4 % kColumnTiles;
          own.product.folded[i][j][n % 4] += own.product.sums[i][j][n % 4];
        }
      });
    }
  }

 private:
  TENSIM_KERNEL static void load(unsigned thread, Registers& own, const Chunk (&stage)[2 * kTilePanels][kStageChunks],
                                 unsigned step) {
    const unsigned g = thread % kWarp / 4, t = thread % 4;
    TENSIM_UNROLL
    for (unsigned i = 0; i < kRowTiles; ++i) {
      const Chunk* const panel = stage[2 * warp_y(thread) + i / 2] + step * kStepChunks;
      own.rows[i][0] = panel[place_of(i % 2 * 8 + g, 0, t)];
      own.rows[i][1] = panel[place_of(i % 2 * 8 + g, 1, t)];
    }
    const Chunk* const panel = stage[kTilePanels + warp_x(thread)] + step * kStepChunks;
    TENSIM_UNROLL
    for (unsigned j = 0; j < kColumnTiles; ++j) own.columns[j] = panel[place_of(4 * j + g / 2, g % 2, t)];
  }

  // Two elements of every chunk: t and t + 4 of the fragments' depth.
  TENSIM_KERNEL static void take(Registers& own, unsigned pair) {
    TENSIM_UNROLL
    for (unsigned i = 0; i < kRowTiles; ++i) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < 4; ++n) put(own.rows[i][n % 2].elements[pair + n / 2], own.a, i, n);
    }
    TENSIM_UNROLL
    for (unsigned j = 0; j < kColumnTiles; ++j) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < 2; ++n) put(own.columns[j].elements[pair + n], own.b, j, n);
    }
  }

  template <unsigned kTiles, unsigned kElements>
  TENSIM_KERNEL static void put(T x, T (&parts)[kParts][kTiles][kElements], unsigned tile, unsigned n) {
    if constexpr (kSplit) {
      parts[0][tile][n] = shortened(x);
      parts[1][tile][n] = shortened(x - parts[0][tile][n]);
    } else {
      parts[0][tile][n] = x;
    }
  }

  template <class Block>
  TENSIM_KERNEL static void multiply(Block& block) {
    // The small products first.
    TENSIM_UNROLL
    for (unsigned pass = kSplit ? 0 : 2; pass < 3; ++pass) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < kRowTiles * kColumnTiles; ++n) {
        const unsigned i = n / kColumnTiles, j = n % kColumnTiles;
        block.multiply([&](auto& own) {
          return Fragments<T>{own.product.sums[i][j], own.product.a[pass == 0 ? kParts - 1 : 0][i],
                              own.product.b[pass == 1 ? kParts - 1 : 0][j]};
        });
      }
    }
  }
};

}  // namespace tensim::cuda
