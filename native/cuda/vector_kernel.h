#pragma once

#include "interface.h"
#include "tile_product.h"

namespace tensim::cuda {

// Models along the side of a block of products, and elements of a part. Vectors are cut at multiples of kVectorAlign elements, where 16 bytes
// begin in either type.
constexpr unsigned kVectorSide = kTileRows;
constexpr std::uint64_t kVectorPart = 8192;
constexpr std::uint64_t kVectorAlign = TENSIM_CUDA_ALIGN;

// Products of plain vectors, or of packed symmetric forms, of up to 128 row models with up to 128 column models: a tile of a symmetric rank-k
// product. A piece of work is one part of at most kVectorPart elements, so that few models with long vectors occupy the device as well; the
// parts are added up in order by the sum kernel. A model is a row of tile_product.h: its vector is brought into chunks on its way into shared
// memory.
template <class T>
struct VectorKernel {
  using Product = TileProduct<T>;
  static constexpr unsigned kThreads = Product::kThreads;
  using Chunk = typename Product::Chunk;
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
    const T* next[4];  // of the rows g, g + 8, g + 16, g + 24 of the panel that this thread's warp copies
  };

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& arguments) {
    for (std::uint64_t w = block.index; w < arguments.work_count; w += block.count) {
      const Work work = arguments.work[w];
      const std::uint64_t stages = (work.end - work.begin + kStage<T> - 1) / kStage<T>;
      block.alone([&](unsigned thread, Registers& own) { begin(arguments, work, thread, own); });
      Product::clear(block);
      TENSIM_UNROLL
      for (unsigned n = 0; n + 1 < kStages; ++n) fetch(block, shared, arguments, work, stages, n, n);
      unsigned slot = 0;
      for (std::uint64_t stage = 0; stage < stages; ++stage) {
        block.template wait<kStages - 2>();
        fetch(block, shared, arguments, work, stages, stage + kStages - 1, slot == 0 ? kStages - 1 : slot - 1);
        Product::add(block, shared, slot);
        slot = slot + 1 == kStages ? 0 : slot + 1;
      }
      block.each_thread([&](unsigned thread, Registers& own) { store(arguments, w, thread, own.product); });
    }
  }

 private:
  TENSIM_KERNEL static void begin(const Arguments& arguments, const Work& work, unsigned thread, Registers& own) {
    const unsigned panel = thread / kWarp;
    const bool row = panel < kTilePanels;
    const T* const* const vectors = row ? arguments.rows : arguments.columns;
    const std::uint32_t count = row ? arguments.row_count : arguments.column_count;
    TENSIM_UNROLL
    for (unsigned n = 0; n < 4; ++n) {
      const std::uint32_t model =
          (row ? work.row : work.column) + panel % kTilePanels * kPanelRows + 8 * n + thread % kWarp / 4;
      own.next[n] = model < count ? vectors[model] : nullptr;
      if (own.next[n] != nullptr) own.next[n] += work.begin;
    }
  }

  // Begins to copy a stage, with zeros where there is no model or its part has ended.
  template <class Block>
  TENSIM_KERNEL static void fetch(Block& block, Shared& shared, const Arguments& arguments, const Work& work,
                                  std::uint64_t stages, std::uint64_t stage, unsigned slot) {
    block.alone([&](unsigned thread, Registers& own) {
      if (stage < stages) {
        Chunk* const to = shared.stages[slot][thread / kWarp];
        const unsigned g = thread % kWarp / 4, t = thread % 4;
        TENSIM_UNROLL
        for (unsigned n = 0; n < 4 * kStageSteps; ++n) {
          const unsigned row = 8 * (n / kStageSteps) + g, step = n % kStageSteps;
          const std::uint64_t k = stage * kStage<T> + step * kStep<T> + t * kChunk<T>;
          const T* const vector = own.next[n / kStageSteps];
          const bool zero = vector == nullptr || k >= work.end - work.begin;
          const void* const from = zero ? static_cast<const void*>(arguments.work) : vector + k;
          block.copy(to + step * kStepChunks + place_of(row / 2, row % 2, t), from, zero);
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
