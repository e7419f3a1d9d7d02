#pragma once

#include "interface.h"
#include "vector_product.h"

namespace tensim::cuda {

// Vectors begin and end at multiples of so many elements, where 16 bytes begin in either type.
constexpr std::uint64_t kVectorAlign = TENSIM_CUDA_ALIGN;

// Products of plain vectors, or of packed symmetric forms, of some row models with some column models: a tile of a
// symmetric rank-k product. A piece of work is one part of the vectors, so that few models with long ones occupy the
// device as well; the parts are added up by the kernel below.
template <class T, class ShapeOf, bool kTf32>
struct VectorKernel {
  using Shape = ShapeOf;
  using Product = VectorProduct<T, Shape, kTf32>;
  static constexpr unsigned kThreads = Shape::kThreads, kResident = Shape::kResident;
  struct Shared {
    typename Product::Shared product;
    const T* from[Shape::kRead];  // where the part begins; null: zeros
  };

  struct Work {
    std::uint32_t row, column;  // the first of each
    std::uint64_t begin;        // element, a multiple of kVectorAlign
    std::uint32_t length;       // in elements, likewise
  };

  struct Arguments {
    const T *const *rows, *const *columns;  // null: a vector of zeros
    std::uint32_t row_count, column_count;
    const Work* work;
    std::uint64_t work_count;
    double* sums;  // (work, rows of a block, columns of a block)
  };

  // Vectors whose pieces of a line are copied at a time, and how often a thread has one.
  static constexpr unsigned kAtOnce = kThreads / kLinePieces, kCopied = (Shape::kRead + kAtOnce - 1) / kAtOnce;
  static constexpr std::uint32_t kStage = Shape::kLines * kLine<T>;

  struct Registers {
    typename Product::Registers product;
  };

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& arguments) {
    constexpr unsigned kStages = Shape::kStages;
    for (std::uint64_t w = block.index; w < arguments.work_count; w += block.count) {
      const Work work = arguments.work[w];
      const std::uint32_t stages = (work.length + kStage - 1) / kStage;
      Product::clear(block, arguments.row_count - work.row, arguments.column_count - work.column);
      block.each_thread([&](unsigned thread, Registers&) { find(arguments, work, thread, shared); });
      TENSIM_UNROLL
      for (unsigned n = 0; n < kStages; ++n) fetch(block, shared, work.length, n, n);
      block.template wait<kStages - 1>();
      Product::begin(block, shared.product, 0);
      unsigned slot = 0;
      for (std::uint32_t stage = 0; stage < stages; ++stage) {
        Product::add(block, shared.product, slot, [&] {
          block.template wait<kStages - 2>();
          fetch(block, shared, work.length, stage + kStages, slot);
        });
        slot = slot + 1 == kStages ? 0 : slot + 1;
      }
      block.each_thread([&](unsigned thread, Registers& own) { store(arguments, w, thread, own.product); });
    }
  }

 private:
  TENSIM_KERNEL static void find(const Arguments& arguments, const Work& work, unsigned thread, Shared& shared) {
    for (unsigned place = thread; place < Shape::kRead; place += kThreads) {
      const bool row_side = !Shape::kTriangle && place < Shape::kRows;
      const std::uint32_t model =
          row_side ? work.row + place : work.column + place - (Shape::kTriangle ? 0 : Shape::kRows);
      const bool there = model < (row_side ? arguments.row_count : arguments.column_count);
      const T* const vector = there ? (row_side ? arguments.rows : arguments.columns)[model] : nullptr;
      shared.from[place] = vector == nullptr ? nullptr : vector + work.begin;
    }
  }

  // Begins to copy a stage, with zeros where there is no model or the part, of so many elements, has ended.
  template <class Block>
  TENSIM_KERNEL static void fetch(Block& block, Shared& shared, std::uint32_t length, std::uint32_t stage,
                                  unsigned slot) {
    block.alone([&](unsigned thread, Registers&) {
      const std::uint32_t begin = stage * kStage;
      const unsigned piece = thread % kLinePieces;
      if (begin < length) {
        TENSIM_UNROLL
        for (unsigned n = 0; n < kCopied; ++n) {
          const unsigned place = thread / kLinePieces + n * kAtOnce;
          if (Shape::kRead % kAtOnce != 0 && place >= Shape::kRead) continue;
          const T* const vector = shared.from[place];
          TENSIM_UNROLL
          for (unsigned line = 0; line < Shape::kLines; ++line) {
            const std::uint32_t k = begin + line * kLine<T> + piece * kLinePiece<T>;
            block.template copy<kLinePieceBytes>(shared.product.stages[slot][line][place][piece].elements, vector + k,
                                                 vector == nullptr || k >= length);
          }
        }
      }
      block.commit();
    });
  }

  TENSIM_KERNEL static void store(const Arguments& arguments, std::uint64_t w, unsigned thread,
                                  typename Product::Registers& own) {
    double* const sums = arguments.sums + w * Shape::kArea;
    const unsigned g = thread % kWarp / 4, t = thread % 4;
    const unsigned top = Shape::down(thread) * Shape::kWarpRows + g,
                   left = Shape::across(thread) * Shape::kWarpColumns + 2 * t;
    TENSIM_UNROLL
    for (unsigned n = 0; n < Shape::kRowTiles * Shape::kColumnTiles * 4; ++n) {
      const unsigned i = n / (Shape::kColumnTiles * 4), j = n / 4 % Shape::kColumnTiles, e = n % 4;
      if (Shape::kSelective && (own.active >> (n / 4) & 1) == 0) continue;
      sums[(top + 16 * i + e / 2 * 8) * Shape::kColumns + left + 8 * j + e % 2] =
          static_cast<double>(Product::products(own, i, j)[e]);
    }
  }
};

// Adds up the parts of products of vectors, each thread of eight every eighth part, then the eight: an order that
// depends on the number of parts alone.
struct VectorSumKernel {
  static constexpr unsigned kShares = 8, kValues = kWarp, kThreads = kShares * kValues;

  // The parts of a segment of a block of models.
  struct Group {
    std::uint64_t first, stride;  // the first part, and how many further the next one is
    std::uint32_t parts, row, column, segment;
  };

  struct Arguments {
    const double* parts;
    const Group* groups;
    std::uint32_t rows, columns;  // of a block of models; the product is a multiple of kValues
    std::uint32_t first_row, row_end, column_end;
    bool symmetric;  // pairs below the diagonal are left out
    std::uint64_t segments;
    double* products;  // (rows from first_row on, columns, segments)
  };

  struct Shared {
    double sums[kShares][kValues];
  };
  struct Registers {};

  static std::uint64_t blocks(std::uint64_t groups, std::uint64_t area) { return groups * (area / kValues); }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& arguments) {
    const std::uint64_t area = std::uint64_t{arguments.rows} * arguments.columns, per_group = area / kValues;
    const Group group = arguments.groups[block.index / per_group];
    const std::uint64_t first = block.index % per_group * kValues;
    const auto row_of = [&](unsigned value) { return group.row + (first + value) / arguments.columns; };
    const auto column_of = [&](unsigned value) { return group.column + (first + value) % arguments.columns; };
    const auto wanted = [&](unsigned value) {
      const std::uint64_t row = row_of(value), column = column_of(value);
      return row < arguments.row_end && column < arguments.column_end && !(arguments.symmetric && column < row);
    };
    block.each_thread([&](unsigned thread, Registers&) {
      const unsigned value = thread % kValues, share = thread / kValues;
      const double* const parts = arguments.parts + group.first * area + first + value;
      const std::uint64_t next = group.stride * area;
      double sum = 0;
      std::uint32_t part = share;
      if (wanted(value)) {
        for (; part + 3 * kShares < group.parts; part += 4 * kShares) {
          double x[4];  // read side by side
          TENSIM_UNROLL
          for (unsigned n = 0; n < 4; ++n) x[n] = parts[(part + n * kShares) * next];
          TENSIM_UNROLL
          for (unsigned n = 0; n < 4; ++n) sum += x[n];
        }
        for (; part < group.parts; part += kShares) sum += parts[part * next];
      }
      shared.sums[share][value] = sum;
    });
    block.each_thread([&](unsigned thread, Registers&) {
      if (thread >= kValues || !wanted(thread)) return;
      double sum = 0;
      TENSIM_UNROLL
      for (unsigned share = 0; share < kShares; ++share) sum += shared.sums[share][thread];
      const std::uint64_t pair = (row_of(thread) - arguments.first_row) * arguments.column_end + column_of(thread);
      arguments.products[pair * arguments.segments + group.segment] = sum;
    });
  }
};

}  // namespace tensim::cuda
