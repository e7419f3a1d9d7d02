#pragma once

#include "tile_product.h"

namespace tensim::cuda {

// A panel of a model on the device: 16 hidden units, L and R, as tile_product.h wants them, one step of the depth after
// the other; units and elements that fill up the last are zero. Of D, outputs come in octets:
//
//   weights[(octet·8 + c)·kPanelUnits + u]      D_cu
template <class T>
struct PairPanel {
  const PiecePair<T>* rows;
  const double* weights;
};

constexpr unsigned kOctet = 8;

// The quadratic part of inner products (MATH.md section 3), per output c
//
//   P_c = Σ_hk D_ch D'_ck [(L_h·L'_k)(R_h·R'_k) + (L_h·R'_k)(R_h·L'_k)]
//
// over a whole tile of pairs, a share for every panel of the one model with every panel of the other. No product of
// rows leaves the registers: K, the bracket, is combined where it comes about, and lies there as the tensor cores want
// it on their left side, so that they also multiply it by D'ᵀ; what is left is a sum over the row panel's units. A
// block takes one piece of work after the other, and the panels of the next one are on their way while it still
// multiplies.
//
// Everything is added up in a fixed order: a share depends on its two panels alone.
template <class T, bool kTf32>
struct PairKernel {
  using Product = TileProduct<T, kTf32>;
  static constexpr unsigned kThreads = Product::kThreads;
  using Pair = PiecePair<T>;
  using Shared = typename Product::Shared;

  // Up to four row panels with up to four column panels, and where the share of the first of both goes.
  struct Work {
    std::uint32_t row, row_end, column, column_end;
    // In shares: the next column panel has the next one, the next row panel that a stride further.
    std::uint64_t sum, stride;
  };

  struct Arguments {
    const PairPanel<T>*rows, *columns;
    const Work* work;
    std::uint64_t work_count;
    std::uint64_t stages;  // of the depth
    std::uint64_t octets;
    double* sums;  // shares, (octets·8) each
  };

  // What is done at a time where the products of a warp's two row panels are weighted, so that none waits for another.
  static constexpr unsigned kRowPanels = 2, kOctets = 2;

  struct Registers {
    typename Product::Registers product;
    const Pair* next;                  // of the panel that this thread copies from
    double k[kRowPanels][2][4];        // K, by units 8q .. 8q + 7 of the column panel: a left side of fragments
    double s[kRowPanels][kOctets][4];  // K·D'ᵀ
    double w[kOctets][2][2];           // D'
    double d[kRowPanels][kOctets][4];  // D of units g and g + 8, in the order of s
    double shares[kRowPanels][kOctets][2];
  };

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& arguments) {
    Cursor fetched{block.index, 0, 0};
    TENSIM_UNROLL
    for (unsigned n = 0; n < kStages; ++n) fetch(block, shared, arguments, fetched);
    block.template wait<kStages - 1>();
    Product::begin(block, shared, 0);
    unsigned slot = 0;
    for (std::uint64_t w = block.index; w < arguments.work_count; w += block.count) {
      // Cleared before the loop, not at its first turn: nvcc 13.0 makes wrong code for sm_90 of sums of doubles that
      // are chosen to begin at zero (seen on an H200: only what takes a single stage came out right).
      Product::clear(block);
      for (std::uint64_t stage = 0; stage < arguments.stages; ++stage) {
        Product::add(block, shared, slot, [&] {
          block.template wait<kStages - 2>();
          fetch(block, shared, arguments, fetched);
        });
        slot = slot + 1 == kStages ? 0 : slot + 1;
      }
      weigh(block, arguments, arguments.work[w]);
    }
  }

 private:
  // The stage of a piece of work that is copied next, and the slot of shared memory that it goes to.
  struct Cursor {
    std::uint64_t work, stage;
    unsigned slot;
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
          own.next = (row ? arguments.rows : arguments.columns)[at_most(wanted, last)].rows;
        }
        Pair* const to = shared.stages[cursor.slot][panel];
        TENSIM_UNROLL
        for (unsigned n = 0; n < kStagePairs<T>; n += kWarp) {
          block.template copy<sizeof(Pair)>(to + n + lane, own.next + n + lane);
        }
        own.next += kStagePairs<T>;
      }
      block.commit();
    });
    cursor.slot = cursor.slot + 1 == kStages ? 0 : cursor.slot + 1;
    if (++cursor.stage < arguments.stages) return;
    cursor.stage = 0;
    cursor.work += block.count;
  }

  TENSIM_KERNEL static std::uint32_t at_most(std::uint32_t x, std::uint32_t most) { return x < most ? x : most; }

  // The shares of a block's panels, from the products in its registers.
  template <class Block>
  TENSIM_KERNEL static void weigh(Block& block, const Arguments& arguments, const Work& work) {
    block.alone([&](unsigned, Registers& own) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < kRowPanels * 8; ++n) {
        const unsigned p = n / 8, q = n / 4 % 2;
        const T(&c)[4] = Product::products(own.product, 2 * p + n % 2, n % 8 / 2);
        const double left = c[0], left_right = c[1], right_left = c[2], right = c[3];
        own.k[p][q][n % 4] = left * right + left_right * right_left;
      }
    });
    load(block, arguments, work, 0);
    for (std::uint64_t octet = 0; octet < arguments.octets; octet += kOctets) weigh(block, arguments, work, octet);
  }

  // The weights of some octets. Where there is no octet any more it is the last one again, and where there is no panel
  // another one.
  template <class Block>
  TENSIM_KERNEL static void load(Block& block, const Arguments& arguments, const Work& work, std::uint64_t first) {
    block.alone([&](unsigned thread, Registers& own) {
      const unsigned g = thread % kWarp / 4, t = thread % 4;
      TENSIM_UNROLL
      for (unsigned m = 0; m < kOctets; ++m) {
        const std::uint64_t octet = first + m < arguments.octets ? first + m : arguments.octets - 1;
        const std::uint64_t offset = octet * kOctet * kPanelUnits;
        const std::uint32_t column = at_most(work.column + Product::warp_x(thread), work.column_end - 1);
        const double* const column_weights = arguments.columns[column].weights + offset + g * kPanelUnits;
        TENSIM_UNROLL
        for (unsigned n = 0; n < 4; ++n) own.w[m][n / 2][n % 2] = column_weights[4 * n + t];
        TENSIM_UNROLL
        for (unsigned p = 0; p < kRowPanels; ++p) {
          const std::uint32_t row = at_most(work.row + kRowPanels * Product::warp_y(thread) + p, work.row_end - 1);
          const double* const row_weights = arguments.rows[row].weights + offset + 2 * t * kPanelUnits;
          TENSIM_UNROLL
          for (unsigned n = 0; n < 4; ++n) own.d[p][m][n] = row_weights[n % 2 * kPanelUnits + n / 2 * 8 + g];
        }
      }
    });
  }

  // The shares in the outputs of some octets, whose weights are there; those of the next come meanwhile.
  template <class Block>
  TENSIM_KERNEL static void weigh(Block& block, const Arguments& arguments, const Work& work, std::uint64_t first) {
    block.alone([&](unsigned, Registers& own) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < kRowPanels * kOctets * 4; ++n) own.s[n / 4 / kOctets][n / 4 % kOctets][n % 4] = 0;
    });
    TENSIM_UNROLL
    for (unsigned n = 0; n < 2 * kRowPanels * kOctets; ++n) {
      const unsigned q = n / (kRowPanels * kOctets), p = n / kOctets % kRowPanels, m = n % kOctets;
      block.multiply([&](Registers& own) { return Fragments<double>{own.s[p][m], own.k[p][q], own.w[m][q]}; });
    }
    block.alone([&](unsigned, Registers& own) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < kRowPanels * kOctets * 2; ++n) {
        const unsigned p = n / 2 / kOctets, m = n / 2 % kOctets, c = n % 2;
        own.shares[p][m][c] = own.s[p][m][c] * own.d[p][m][c] + own.s[p][m][2 + c] * own.d[p][m][2 + c];
      }
    });
    load(block, arguments, work, first + kOctets);
    TENSIM_UNROLL
    for (unsigned n = 0; n < kRowPanels * kOctets * 2; ++n) {
      block.add_lanes([&](Registers& own) -> double& { return own.shares[n / 2 / kOctets][n / 2 % kOctets][n % 2]; });
    }
    block.alone([&](unsigned thread, Registers& own) {
      const unsigned lane = thread % kWarp, x = Product::warp_x(thread);
      if (lane >= 4 || work.column + x >= work.column_end) return;
      TENSIM_UNROLL
      for (unsigned n = 0; n < kRowPanels * kOctets; ++n) {
        const unsigned y = kRowPanels * Product::warp_y(thread) + n / kOctets;
        const std::uint64_t octet = first + n % kOctets, share = work.sum + y * work.stride + x;
        if (work.row + y >= work.row_end || octet >= arguments.octets) continue;
        double* const sums = arguments.sums + (share * arguments.octets + octet) * kOctet + 2 * lane;
        sums[0] = own.shares[n / kOctets][n % kOctets][0];
        sums[1] = own.shares[n / kOctets][n % kOctets][1];
      }
    });
  }
};

}  // namespace tensim::cuda
