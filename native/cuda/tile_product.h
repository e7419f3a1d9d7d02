#pragma once

#include "grid.h"

namespace tensim::cuda {

// The product of 128 rows with 128 rows, along their common depth, on tensor cores: what the pair kernel and the vector
// kernel have in common.
//
// Rows come in panels of 32, and a panel is kept as 16 *units* of two rows, L and R. The depth is cut into steps of 8
// elements, and what a lane reads at once is a *piece* of 8 bytes: one double, or two floats. In a step of a panel the
// pieces of L and R lie beside each other, those of four pieces of the depth and 16 units after one another:
//
//   u = 0:  L0 R0  L1 R1  L2 R2  L3 R3     u = 1:  L0 R0  L1 R1 …     …  u = 15
//   and so on for pieces 4 to 7, if they are doubles
//
// so that the 16 bytes {L, R} are, as they are read, the left operand of a lane, 8 bytes are the right one, and the
// lanes of a warp read out of different banks of shared memory.
//
// A block of 8 warps multiplies four row panels by four column panels; a warp two row panels by one column panel: 4×4
// products of fragments, (8 units × {L, R}) × (4 units × {L', R'}). Its lane (g, t) ends up with all four products of a
// unit with a unit,
//
//            | L'    R'   |
//        L   | c[0]  c[1] |        unit g of the rows, unit t of the columns
//        R   | c[2]  c[3] |
//
// Elements of one kind have their products added up along the depth in the same order wherever they are in the block.
//
// float64 is multiplied as it is. Of a float the tensor cores read 11 bits, so it is split into two numbers of 11 bits,
// and of the four products the three larger ones are taken: as exact as a product in float32. With kTf32 it is rounded
// to 11 bits and there is one product. Tensor cores cut off where they add in float32, so what they have added up is
// moved to a sum rounded to nearest after every stage.
constexpr unsigned kPanelUnits = 16;
constexpr unsigned kPanelRows = 2 * kPanelUnits;
constexpr unsigned kTilePanels = 4;  // on either side
constexpr unsigned kTileRows = kTilePanels * kPanelRows;
constexpr unsigned kPieceBytes = 8;
constexpr unsigned kStep = 8;           // elements of a row
constexpr unsigned kStageBytes = 4096;  // of a panel
// Of shared memory: 96 KiB in all, which every GPU with FP64 tensor cores has.
constexpr unsigned kStages = 3;

// What depends on the type of the elements: elements of a piece, pieces of a row in a step, and steps of a stage.
template <class T>
constexpr unsigned kPiece = kPieceBytes / sizeof(T);
template <class T>
constexpr unsigned kStepPieces = kStep / kPiece<T>;
template <class T>
constexpr unsigned kStageSteps = kStageBytes / (kStep * kPanelRows * sizeof(T));
// Elements of a row in a stage.
template <class T>
constexpr unsigned kStage = kStageSteps<T>* kStep;

// The pieces of L and R of a unit that belong together.
template <class T>
struct alignas(2 * kPieceBytes) PiecePair {
  T elements[2][kPiece<T>];
};

// Of a panel.
template <class T>
constexpr unsigned kStepPairs = kPanelUnits* kStepPieces<T>;
template <class T>
constexpr unsigned kStagePairs = kStageSteps<T>* kStepPairs<T>;

// Where the piece p of a unit is in a step of a panel.
TENSIM_KERNEL unsigned place_of(unsigned unit, unsigned p) {
  return (p / 4 * kPanelUnits + unit) * 4 + p % 4;
}

template <class T, bool kTf32>
struct TileProduct {
  static constexpr unsigned kThreads = 256;
  // Whether sums are moved, and in how many parts elements come.
  static constexpr bool kSplit = sizeof(T) < sizeof(double);
  static_assert(kSplit || !kTf32, "doubles are multiplied as they are");
  static constexpr unsigned kParts = kSplit && !kTf32 ? 2 : 1;
  static constexpr unsigned kRowTiles = 4, kColumnTiles = 4;  // products of fragments that a warp has

  using Pair = PiecePair<T>;
  // Pieces of a fragment's row that a lane has.
  static constexpr unsigned kPieces = kStepPieces<T> / 4;

  // Row panels, then column panels.
  struct Shared {
    Pair stages[kStages][2 * kTilePanels][kStagePairs<T>];
  };

  struct alignas(kPieceBytes) Piece {
    T elements[kPiece<T>];
  };
  struct Registers {
    T sums[kRowTiles][kColumnTiles][4];  // of a stage, if split, else of all
    T folded[kSplit ? kRowTiles : 1][kColumnTiles][4];
    // The fragments of two steps, and, if split, those of one in parts.
    Pair rows[2][kRowTiles][kPieces];
    Piece columns[2][kColumnTiles][kPieces];
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

  // To be called when the first stage has arrived, before its products are added.
  template <class Block>
  TENSIM_KERNEL static void begin(Block& block, const Shared& shared, unsigned slot) {
    load(block, shared, slot, 0);
  }

  // Adds the products of the stage in a slot of shared memory. `turn` is called as soon as no thread will read of it
  // any more: it waits for the stage in the next slot.
  template <class Block, class Turn>
  TENSIM_KERNEL static void add(Block& block, const Shared& shared, unsigned slot, const Turn& turn) {
    const unsigned next = slot + 1 == kStages ? 0 : slot + 1;
    if constexpr (kSplit) {
      block.alone([](unsigned, auto& own) {
        TENSIM_UNROLL
        for (unsigned n = 0; n < kRowTiles * kColumnTiles * 4; ++n) {
          own.product.sums[n / (kColumnTiles * 4)][n / 4 % kColumnTiles][n % 4] = T(0);
        }
      });
    }
    TENSIM_UNROLL
    for (unsigned step = 0; step < kStageSteps<T>; ++step) {
      // The fragments of the step to come are on their way while this one's are multiplied, beyond the end of the stage
      // too.
      if (step + 1 == kStageSteps<T>) {
        turn();
        load(block, shared, next, 0);
      } else {
        load(block, shared, slot, step + 1);
      }
      block.alone([&](unsigned, auto& own) { take(own.product, step % 2); });
      multiply(block);
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
  template <class Block>
  TENSIM_KERNEL static void load(Block& block, const Shared& shared, unsigned slot, unsigned step) {
    block.alone([&](unsigned thread, auto& own) {
      const unsigned g = thread % kWarp / 4, t = thread % 4;
      const auto& stage = shared.stages[slot];
      TENSIM_UNROLL
      for (unsigned n = 0; n < kRowTiles * kPieces; ++n) {
        const unsigned i = n / kPieces, p = n % kPieces;
        const Pair* const panel = stage[2 * warp_y(thread) + i / 2] + step * kStepPairs<T>;
        own.product.rows[step % 2][i][p] = panel[place_of(i % 2 * 8 + g, 4 * p + t)];
      }
      const Pair* const panel = stage[kTilePanels + warp_x(thread)] + step * kStepPairs<T>;
      TENSIM_UNROLL
      for (unsigned n = 0; n < kColumnTiles * kPieces; ++n) {
        const unsigned j = n / kPieces, p = n % kPieces;
        const T* const elements = panel[place_of(4 * j + g / 2, 4 * p + t)].elements[g % 2];
        own.product.columns[step % 2][j][p] = *reinterpret_cast<const Piece*>(elements);
      }
    });
  }

  // The fragments of a step as operands. Element e of a row: of its own piece, if that is a double, else of the one
  // piece.
  TENSIM_KERNEL static void take(Registers& own, unsigned buffer) {
    TENSIM_UNROLL
    for (unsigned i = 0; i < kRowTiles; ++i) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < 4; ++n) {
        const unsigned e = n / 2;
        put_fragment(own.rows[buffer][i][e % kPieces].elements[n % 2][e / kPieces], own.a, i, n);
      }
    }
    TENSIM_UNROLL
    for (unsigned j = 0; j < kColumnTiles; ++j) {
      TENSIM_UNROLL
      for (unsigned e = 0; e < 2; ++e)
        put_fragment(own.columns[buffer][j][e % kPieces].elements[e / kPieces], own.b, j, e);
    }
  }

  template <class Block>
  TENSIM_KERNEL static void multiply(Block& block) {
    // The small products first.
    TENSIM_UNROLL
    for (unsigned pass = kParts == 2 ? 0 : 2; pass < 3; ++pass) {
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
