#pragma once

#include "grid.h"

namespace tensim::cuda {

// Products of vectors with vectors on tensor cores, for blocks of several shapes, each for as many vectors as it has
// rows. Vectors are cut into *lines* of 64 bytes, and a line of a row is four pieces of 16 bytes: 8 doubles, or 16
// floats. A lane reads one piece, and its elements count as those of the fragments that stand there: two doubles as
// elements t and t + 4 of a step of eight, four floats as those of two steps. So which elements a step takes depends on
// no shape, and neither does a sum: an element of the result has the same bits whatever the block.
//
// Float32 is taken as in tile_product.h, as two numbers of 11 bits or rounded to one, and its sums are moved every
// kFolded lines.
constexpr unsigned kLineBytes = 64, kLinePieceBytes = 16, kLinePieces = kLineBytes / kLinePieceBytes;
constexpr unsigned kFolded = 2;
template <class T>
constexpr unsigned kLine = kLineBytes / sizeof(T);
template <class T>
constexpr unsigned kLinePiece = kLinePieceBytes / sizeof(T);

template <class T>
struct alignas(kLinePieceBytes) LinePiece {
  T elements[kLinePiece<T>];
};

// A block of warps, each of which multiplies kRowTiles·16 rows with kColumnTiles·8 columns. In a triangle rows and
// columns are the same vectors, and warps take only what is on the diagonal or above it.
template <unsigned kRowTilesOf, unsigned kColumnTilesOf, unsigned kDownOf, unsigned kAcrossOf, bool kTriangleOf,
          unsigned kStagesOf, unsigned kLinesOf, unsigned kResidentOf>
struct VectorShape {
  static constexpr unsigned kRowTiles = kRowTilesOf, kColumnTiles = kColumnTilesOf;
  static constexpr unsigned kDown = kDownOf, kAcross = kAcrossOf;
  static constexpr bool kTriangle = kTriangleOf;
  static constexpr unsigned kStages = kStagesOf, kLines = kLinesOf, kResident = kResidentOf;

  static constexpr unsigned kWarpRows = 16 * kRowTiles, kWarpColumns = 8 * kColumnTiles;
  static constexpr unsigned kRows = kWarpRows * kDown, kColumns = kWarpColumns * kAcross, kArea = kRows * kColumns;
  static constexpr unsigned kWarps = kTriangle ? kDown * (kDown + 1) / 2 : kDown * kAcross;
  static constexpr unsigned kThreads = kWarps * kWarp;
  // Vectors that a block reads: in a triangle both sides are one.
  static constexpr unsigned kRead = kTriangle ? kRows : kRows + kColumns;
  // Whether products of fragments are left out where there is no vector or they lie below the diagonal.
  static constexpr bool kSelective = kTriangle || kRows < 128;
  static_assert(!kTriangle || (kDown == kAcross && kWarpRows == kWarpColumns), "a triangle is half of a square");
  static_assert(kLines % kFolded == 0 && kStages >= 2, "stages end where sums of floats do");

  // The place of a warp in the block.
  TENSIM_KERNEL static unsigned down(unsigned thread) {
    const unsigned warp = thread / kWarp;
    if (!kTriangle) return warp / kAcross;
    unsigned row = 0;
    TENSIM_UNROLL
    for (unsigned next = 1; next < kDown; ++next) {
      if (warp >= first_of(next)) row = next;
    }
    return row;
  }
  TENSIM_KERNEL static unsigned across(unsigned thread) {
    const unsigned warp = thread / kWarp;
    if (!kTriangle) return warp % kAcross;
    const unsigned row = down(thread);
    return row + warp - first_of(row);
  }

 private:
  TENSIM_KERNEL static constexpr unsigned first_of(unsigned row) { return row * kDown - row * (row - 1) / 2; }
};

template <class T, class Shape, bool kTf32>
struct VectorProduct {
  static constexpr bool kSplit = sizeof(T) < sizeof(double);
  static constexpr unsigned kParts = kSplit && !kTf32 ? 2 : 1;
  static constexpr unsigned kRowTiles = Shape::kRowTiles, kColumnTiles = Shape::kColumnTiles;
  // Steps of eight elements of a line.
  static constexpr unsigned kSteps = kLine<T> / 8;

  struct Shared {
    LinePiece<T> stages[Shape::kStages][Shape::kLines][Shape::kRead][kLinePieces];
  };

  struct Registers {
    T sums[kRowTiles][kColumnTiles][4];  // of kFolded lines, if split, else of all
    T folded[kSplit ? kRowTiles : 1][kColumnTiles][4];
    LinePiece<T> rows[2][kRowTiles][2], columns[2][kColumnTiles];  // of two lines
    T a[kParts][kRowTiles][4], b[kParts][kColumnTiles][2];
    std::uint32_t active;  // products of fragments that are wanted, a bit for each
  };

  TENSIM_KERNEL static T (&products(Registers& own, unsigned i, unsigned j))[4] {
    if constexpr (kSplit) {
      return own.folded[i][j];
    } else {
      return own.sums[i][j];
    }
  }

  // Begins anew, for so many rows and columns.
  template <class Block>
  TENSIM_KERNEL static void clear(Block& block, std::uint32_t rows, std::uint32_t columns) {
    block.alone([&](unsigned thread, auto& own) {
      own.product.active = 0;
      TENSIM_UNROLL
      for (unsigned n = 0; n < kRowTiles * kColumnTiles; ++n) {
        const unsigned i = n / kColumnTiles, j = n % kColumnTiles;
        const unsigned row = Shape::down(thread) * Shape::kWarpRows + 16 * i,
                       column = Shape::across(thread) * Shape::kWarpColumns + 8 * j;
        const bool active = row < rows && column < columns && !(Shape::kTriangle && column + 8 <= row);
        own.product.active |= (active ? 1u : 0u) << n;
        TENSIM_UNROLL
        for (unsigned e = 0; e < 4; ++e) products(own.product, i, j)[e] = T(0);
      }
    });
    clear_sums(block);
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
    const unsigned next = slot + 1 == Shape::kStages ? 0 : slot + 1;
    TENSIM_UNROLL
    for (unsigned line = 0; line < Shape::kLines; ++line) {
      if (line + 1 == Shape::kLines) {
        turn();
        load(block, shared, next, 0);
      } else {
        load(block, shared, slot, line + 1);
      }
      TENSIM_UNROLL
      for (unsigned step = 0; step < kSteps; ++step) {
        block.alone([&](unsigned, auto& own) { take(own.product, line % 2, step); });
        multiply(block);
      }
      if (kSplit && line % kFolded == kFolded - 1) {
        fold(block);
        clear_sums(block);
      }
    }
  }

 private:
  template <class Block>
  TENSIM_KERNEL static void load(Block& block, const Shared& shared, unsigned slot, unsigned line) {
    block.alone([&](unsigned thread, auto& own) {
      const unsigned g = thread % kWarp / 4, t = thread % 4;
      const auto& lines = shared.stages[slot][line];
      const unsigned row = Shape::down(thread) * Shape::kWarpRows + g,
                     column = (Shape::kTriangle ? 0 : Shape::kRows) + Shape::across(thread) * Shape::kWarpColumns + g;
      TENSIM_UNROLL
      for (unsigned n = 0; n < 2 * kRowTiles; ++n) own.product.rows[line % 2][n / 2][n % 2] = lines[row + 8 * n][t];
      TENSIM_UNROLL
      for (unsigned n = 0; n < kColumnTiles; ++n) own.product.columns[line % 2][n] = lines[column + 8 * n][t];
    });
  }

  TENSIM_KERNEL static void take(Registers& own, unsigned buffer, unsigned step) {
    TENSIM_UNROLL
    for (unsigned i = 0; i < kRowTiles; ++i) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < 4; ++n) {
        put_fragment(own.rows[buffer][i][n % 2].elements[2 * step + n / 2], own.a, i, n);
      }
    }
    TENSIM_UNROLL
    for (unsigned j = 0; j < kColumnTiles; ++j) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < 2; ++n) put_fragment(own.columns[buffer][j].elements[2 * step + n], own.b, j, n);
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
        const auto operands = [&](auto& own) {
          return Fragments<T>{own.product.sums[i][j], own.product.a[pass == 0 ? kParts - 1 : 0][i],
                              own.product.b[pass == 1 ? kParts - 1 : 0][j]};
        };
        if constexpr (Shape::kSelective) {
          block.multiply(operands, [&](const auto& own) { return (own.product.active >> n & 1) != 0; });
        } else {
          block.multiply(operands);
        }
      }
    }
  }

  template <class Block>
  TENSIM_KERNEL static void fold(Block& block) {
    block.alone([](unsigned, auto& own) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < kRowTiles * kColumnTiles * 4; ++n) {
        const unsigned i = n / (kColumnTiles * 4), j = n / 4 % kColumnTiles;
        products(own.product, i, j)[n % 4] += own.product.sums[i][j][n % 4];
      }
    });
  }

  template <class Block>
  TENSIM_KERNEL static void clear_sums(Block& block) {
    if constexpr (kSplit) {
      block.alone([](unsigned, auto& own) {
        TENSIM_UNROLL
        for (unsigned n = 0; n < kRowTiles * kColumnTiles * 4; ++n) {
          own.product.sums[n / (kColumnTiles * 4)][n / 4 % kColumnTiles][n % 4] = T(0);
        }
      });
    }
  }
};

}  // namespace tensim::cuda
