#pragma once

#include "interface.h"
#include "tile_product.h"

namespace tensim::cuda {

// Models along the side of a block of products. Vectors are cut at multiples of kVectorAlign elements, where 16 bytes
// begin in either type.
constexpr unsigned kVectorSide = kTileRows;
constexpr std::uint64_t kVectorAlign = TENSIM_CUDA_ALIGN;

// Products of plain vectors, or of packed symmetric forms, of up to 128 row models with up to 128 column models: a tile
// of a symmetric rank-k product. A piece of work is one part of the vectors, so that few models with long ones occupy
// the device as well; the parts are added up in order by the sum kernel. A model is a row of tile_product.h: its vector
// is brought into chunks on its way into shared memory.
template <class T>
struct VectorKernel {
  using Product = TileProduct<T>;
  static constexpr unsigned kThreads = Product::kThreads;
  using Shared = typename Product::Shared;

  struct Work {
    std::uint32_t row, column;  // the first of each
    std::uint64_t begin, end;   // elements, multiples of kVectorAlign
  };

  struct Arguments {
    const T *const *rows, *const *columns;  // null: a vector of zeros
    std::uint32_t row_count, column_count;
    const Work* work;
    std::uint64_t work_count;
    double* sums;  // (work, kVectorSide, kVectorSide)
  };

  struct Registers {
    typename Product::Registers product;
  };

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& arguments) {
    for (std::uint64_t w = block.index; w < arguments.work_count; w += block.count) {
      const Work work = arguments.work[w];
      const std::uint64_t stages = (work.end - work.begin + kStage<T> - 1) / kStage<T>;
      Product::clear(block);
      TENSIM_UNROLL
      for (unsigned n = 0; n < kStages; ++n) fetch(block, shared, arguments, work, stages, n, n);
      block.template wait<kStages - 1>();
      Product::begin(block, shared, 0);
      unsigned slot = 0;
      for (std::uint64_t stage = 0; stage < stages; ++stage) {
        Product::add(block, shared, slot, [&] {
          block.template wait<kStages - 2>();
          fetch(block, shared, arguments, work, stages, stage + kStages, slot);
        });
        slot = slot + 1 == kStages ? 0 : slot + 1;
      }
      block.each_thread([&](unsigned thread, Registers& own) { store(arguments, w, thread, own.product); });
    }
  }

 private:
  // Begins to copy a stage, with zeros where there is no model or its part has ended.
  template <class Block>
  TENSIM_KERNEL static void fetch(Block& block, Shared& shared, const Arguments& arguments, const Work& work,
                                  std::uint64_t stages, std::uint64_t stage, unsigned slot) {
    block.alone([&](unsigned thread, Registers&) {
      if (stage < stages) {
        const unsigned panel = thread / kWarp, g = thread % kWarp / 4, t = thread % 4;
        const bool row_side = panel < kTilePanels;
        const T* const* const vectors = row_side ? arguments.rows : arguments.columns;
        const std::uint32_t count = row_side ? arguments.row_count : arguments.column_count;
        const std::uint32_t first = (row_side ? work.row : work.column) + panel % kTilePanels * kPanelRows;
        TENSIM_UNROLL
        for (unsigned n = 0; n < kPanelRows / 8; ++n) {
          const unsigned row = 8 * n + g;
          const T* const vector = first + row < count ? vectors[first + row] : nullptr;
          TENSIM_UNROLL
          for (unsigned m = 0; m < kStage<T> / kPiece<T> / 4; ++m) {
            const unsigned step = m / Product::kPieces, p = m % Product::kPieces * 4 + t;
            const std::uint64_t k = work.begin + stage * kStage<T> + step * kStep + p * kPiece<T>;
            const bool zero = vector == nullptr || k >= work.end;
            const void* const from = zero ? static_cast<const void*>(arguments.work) : vector + k;
            auto& pair = shared.stages[slot][panel][step * kStepPairs<T> + place_of(row / 2, p)];
            block.template copy<kPieceBytes>(pair.elements[row % 2], from, zero);
          }
        }
      }
      block.commit();
    });
  }

  TENSIM_KERNEL static void store(const Arguments& arguments, std::uint64_t w, unsigned thread,
                                  typename Product::Registers& own) {
    double* const sums = arguments.sums + w * kVectorSide * kVectorSide;
    const unsigned g = thread % kWarp / 4, t = thread % 4;
    TENSIM_UNROLL
    for (unsigned n = 0; n < Product::kRowTiles * Product::kColumnTiles * 4; ++n) {
      const unsigned i = n / (Product::kColumnTiles * 4), j = n / 4 % Product::kColumnTiles, s = n % 4 / 2;
      const unsigned row = 2 * Product::warp_y(thread) * kPanelRows + 2 * (8 * i + g) + s;
      const unsigned column = Product::warp_x(thread) * kPanelRows + 2 * (4 * j + t) + n % 2;
      sums[row * kVectorSide + column] = static_cast<double>(Product::products(own, i, j)[n % 4]);
    }
  }
};

}  // namespace tensim::cuda
