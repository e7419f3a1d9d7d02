#pragma once

#include "../tile_product.h"
#include "interface.h"

// A loop whose turns are not to share what registers there are.
#if defined(__CUDACC__)
#define TENSIM_ROLLED _Pragma("unroll 1")
#else
#define TENSIM_ROLLED
#endif

namespace tensim::cuda {

// A tile of units is 128 by 128. Weights, and the directions of units without gates, lie in panels of 32 units, two of
// which are a pair {L, R} of tile_product.h; of gated units Ŵ is L and U⊥ is R, so that a panel has 16 of them, and the
// four products that a lane ends up with are
//
//   c[0] = ρ   c[1] = κ'
//   c[2] = κ   c[3] = ν
constexpr unsigned kTileUnits = kTileRows;
constexpr unsigned kTileArea = kTileUnits * kTileUnits;
constexpr unsigned kUnitsGroup = TENSIM_CUDA_UNITS_GROUP;

template <bool kGated>
constexpr unsigned kPanelHas = kGated ? kPanelUnits : kPanelRows;

// A model as the kernels see it. Units that fill up the last tile have coefficients and tails that are zero; panels are
// only as many as hold units.
template <class T>
struct UnitsSide {
  const PiecePair<T>*rows, *down;
  const T *p, *q;                // degree n from 2 on is at [(n − 2)·padded + unit]
  const double *tails, *shares;  // [(n − 2)·groups + group], with groups = padded / kUnitsGroup
  std::uint32_t units, padded;
};

// Adds one to what all blocks count together, and gives what it was.
TENSIM_KERNEL std::uint32_t count_up(std::uint32_t* count) {
#if defined(__CUDACC__)
  return atomicAdd(count, 1u);
#else
  return (*count)++;
#endif
}

// Element k of a row of packed panels; of a panel's rows the even ones are L.
template <class T>
TENSIM_KERNEL T element_of(const PiecePair<T>* panels, std::uint64_t stages, std::uint64_t row, std::uint64_t k) {
  const std::uint64_t panel = row / kPanelRows, step = k / kStep;
  const unsigned at = static_cast<unsigned>(row % kPanelRows), e = static_cast<unsigned>(k % kStep);
  const PiecePair<T>* const pairs = panels + panel * stages * kStagePairs<T> + step * kStepPairs<T>;
  return pairs[place_of(at / 2, e / kPiece<T>)].elements[at % 2][e % kPiece<T>];
}

// Gives rows of plain panels a partner each that is zero: units without gates as gated ones.
template <class T>
struct WidenUnitsKernel {
  static constexpr unsigned kThreads = 256;

  struct Arguments {
    const PiecePair<T>* plain;
    std::uint64_t stages, units, pairs;
    PiecePair<T>* panels;
  };
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t pair = block.index * kThreads + thread;
      if (pair >= arguments.pairs) return;
      const std::uint64_t size = arguments.stages * kStagePairs<T>, within = pair % size;
      const unsigned place = static_cast<unsigned>(within % kStepPairs<T>),
                     p = place / (4 * kPanelUnits) * 4 + place % 4;
      const std::uint64_t unit = pair / size * kPanelUnits + place / 4 % kPanelUnits;
      const std::uint64_t k = within / kStepPairs<T> * kStep + p * kPiece<T>;
      TENSIM_UNROLL
      for (unsigned e = 0; e < kPiece<T>; ++e) {
        const bool there = unit < arguments.units;
        arguments.panels[pair].elements[0][e] =
            there ? element_of(arguments.plain, arguments.stages, unit, k + e) : T(0);
        arguments.panels[pair].elements[1][e] = T(0);
      }
    });
  }
};

}  // namespace tensim::cuda
