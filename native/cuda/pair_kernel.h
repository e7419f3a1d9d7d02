#pragma once

#include "tile_product.h"

namespace tensim::cuda {

// A panel of a model on the device: 16 hidden units, L and R, as tile_product.h wants them, one step of the depth after the other; units and
// steps that fill up the last are zero. Of D, outputs come in octets:
//
//   weights[(octet·8 + c)·kPanelUnits + u]      D_cu
template <class T>
struct PairPanel {
  const T* rows;
  const double* weights;
};

constexpr unsigned kOctet = 8;

// The quadratic part of inner products (MATH.md section 3), per output c
//
//   P_c = Σ_hk D_ch D'_ck [(L_h·L'_k)(R_h·R'_k) + (L_h·R'_k)(R_h·L'_k)]
//
// over a whole tile of pairs, a share for every panel of the one model with every panel of the other. No product of rows leaves the registers:
// K, the bracket, is combined where it comes about, and lies there as the tensor cores want it on their left side, so that they also multiply
// it by D'ᵀ; what is left is a sum over the row panel's units. A block takes one piece of work after the other, and the panels of the next one are
// on their way while it still multiplies.
//
// Everything is added up in a fixed order: a share depends on its two panels alone.
template <class T>
struct PairKernel {
  using Product = TileProduct<T>;
  static constexpr unsigned kThreads = Product::kThreads;
  using Chunk = typename Product::Chunk;
  using Shared = typename Product::Shared;

  // Up to four row panels with up to four column panels, and where the share of the first of both goes.
  struct Work {
    std::uint32_t row, row_end, column, column_end;
    std::uint64_t sum,
        stride;  // in shares: the next column panel has the next one, the next row panel that a stride further
  };

  struct Arguments {
    const PairPanel<T>*rows, *columns;
    const Work* work;
    std::uint64_t work_count;
    std::uint64_t stages;  // of the depth
    std::uint64_t octets;
    double* sums;  // shares, (octets·8) each
  };

  struct Registers {
    typename Product::Registers product;
    const Chunk* next;     // of the panel that this thread copies from
    double k[2][4];        // K of a row panel, by units 8q .. 8q + 7 of the column panel: a left side of fragments
    double s[4], w[2][2];  // K·D'ᵀ of an octet, and D'
    double shares[2];
  };

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& arguments) {
    Cursor fetched{block.index, 0, 0}, multiplied = fetched;
    TENSIM_UNROLL
    for (unsigned n = 0; n + 1 < kStages; ++n) fetch(block, shared, arguments, fetched);
    while (multiplied.work < arguments.work_count) {
      if (multiplied.stage == 0) Product::clear(block);
      block.template wait<kStages - 2>();
      fetch(block, shared, arguments, fetched);
      Product::add(block, shared, multiplied.slot);
      if (multiplied.stage + 1 == arguments.stages) weigh(block, arguments, arguments.work[multiplied.work]);
      multiplied.advance(arguments.stages, block.count);
    }
  }

 private:
  // A stage of a piece of work, and the slot of shared memory that it goes through.
  struct Cursor {
    std::uint64_t work, stage;
    unsigned slot;

    TENSIM_KERNEL void advance(std::uint64_t stages, std::uint64_t blocks) {
      slot = slot + 1 == kStages ? 0 : slot + 1;
      if (++stage < stages) return;
      stage = 0;
      work += blocks;
    }
  };

  // Begins to copy a stage: warp n has the panel n of the eight. A panel that is not there is another one's copy.
  template <class Block>
  TENSIM_KERNEL static void fetch(Block& block, Shared& shared, const Arguments& arguments, Cursor& cursor) {
    block.alone([&](unsigned thread, Registers& own) {
      if (cursor.work < arguments.work_count) {
        const unsigned panel = thread / kWarp, lane = thread % kWarp;
        if (cursor.stage == 0) {
          const Work& work = arguments.work[cursor.work];
          const bool row = panel < kTilePanels;
          const std::uint32_t wanted = row ? work.row + panel : work.column + panel - kTilePanels;
          const std::uint32_t last = (row ? work.row_end : work.column_end) - 1;
          own.next =
              reinterpret_cast<const Chunk*>((row ? arguments.rows : arguments.columns)[at_most(wanted, last)].rows);
        }
        Chunk* const to = shared.stages[cursor.slot][panel];
        TENSIM_UNROLL
        for (unsigned n = 0; n < kStageChunks; n += kWarp) block.copy(to + n + lane, own.next + n + lane);
        own.next += kStageChunks;
      }
      block.commit();
    });
    cursor.advance(arguments.stages, block.count);
  }

  TENSIM_KERNEL static std::uint32_t at_most(std::uint32_t x, std::uint32_t most) { return x < most ? x : most; }

  // The shares of a block's panels, from the products in its registers.
  template <class Block>
  TENSIM_KERNEL static void weigh(Block& block, const Arguments& arguments, const Work& work) {
    TENSIM_UNROLL
    for (unsigned p = 0; p < 2; ++p) {
      block.alone([&](unsigned, Registers& own) {
        TENSIM_UNROLL
        for (unsigned n = 0; n < 8; ++n) {
          const T(&c)[4] = Product::products(own.product, 2 * p + n % 2, n / 2);
          const double left = c[0], left_right = c[1], right_left = c[2], right = c[3];
          own.k[n / 4][n % 4] = left * right + left_right * right_left;
        }
      });
      for (std::uint64_t octet = 0; octet < arguments.octets; ++octet) {
        block.alone([&](unsigned thread, Registers& own) {
          const std::uint32_t column = at_most(work.column + Product::warp_x(thread), work.column_end - 1);
          const double* const weights = arguments.columns[column].weights + octet * kOctet * kPanelUnits;
          const unsigned g = thread % kWarp / 4, t = thread % 4;
          TENSIM_UNROLL
          for (unsigned n = 0; n < 4; ++n) {
            own.s[n] = 0;
            own.w[n / 2][n % 2] = weights[g * kPanelUnits + 4 * n + t];
          }
        });
        TENSIM_UNROLL
        for (unsigned q = 0; q < 2; ++q) {
          block.multiply([&](Registers& own) { return Fragments<double>{own.s, own.k[q], own.w[q]}; });
        }
        block.alone([&](unsigned thread, Registers& own) {
          const std::uint32_t row = at_most(work.row + 2 * Product::warp_y(thread) + p, work.row_end - 1);
          const double* const weights = arguments.rows[row].weights + octet * kOctet * kPanelUnits;
          const unsigned g = thread % kWarp / 4, t = thread % 4;
          TENSIM_UNROLL
          for (unsigned n = 0; n < 2; ++n) {
            const double* const of_output = weights + (2 * t + n) * kPanelUnits;
            own.shares[n] = own.s[n] * of_output[g] + own.s[2 + n] * of_output[g + 8];
          }
        });
        TENSIM_UNROLL
        for (unsigned n = 0; n < 2; ++n) {
          block.add_lanes([&](Registers& own) -> double& { return own.shares[n]; });
        }
        block.alone([&](unsigned thread, Registers& own) {
          const unsigned lane = thread % kWarp, x = Product::warp_x(thread), y = 2 * Product::warp_y(thread) + p;
          if (lane >= 4 || work.row + y >= work.row_end || work.column + x >= work.column_end) return;
          const std::uint64_t share = work.sum + y * work.stride + x;
          double* const sums = arguments.sums + (share * arguments.octets + octet) * kOctet + 2 * lane;
          sums[0] = own.shares[0];
          sums[1] = own.shares[1];
        });
      }
    }
  }
};

}  // namespace tensim::cuda
