#pragma once

#include "grid.h"

namespace tensim::cuda {

// Models along the side of a block of products, elements staged at a time, stages that float32 sums in float32, and elements of a part.
constexpr unsigned kVectorSide = 32;
constexpr unsigned kVectorStage = 32;
constexpr unsigned kVectorStagesInSingle = 8;
constexpr std::uint64_t kVectorPart = 8192;

// Products of plain vectors, or of packed symmetric forms, of up to 32 row models with up to 32 column models: a tile of a symmetric rank-k
// product. A block takes one part of at most kVectorPart elements, so that few models with long vectors occupy the device as well; the parts
// are added up in order by the sum kernel. 16×16 threads have the models {y, y + 16} × {x, x + 16} each.
template <class T>
struct VectorKernel {
  static constexpr unsigned kSide = 16;
  static constexpr unsigned kThreads = kSide * kSide;

  struct Work {
    std::uint32_t row, column;  // the first of each
    std::uint64_t begin, end;   // elements
  };

  struct Arguments {
    const T *const *rows, *const *columns;  // null: a vector of zeros
    std::uint32_t row_count, column_count;
    const Work* work;  // one per block
    double* sums;      // (blocks, kVectorSide, kVectorSide)
  };

  struct Shared {
    T a[kVectorSide][kVectorStage + 1], b[kVectorSide][kVectorStage + 1];  // one more: a column lies in different banks
  };

  struct Registers {
    T products[2][2];
    double wide[2][2];
  };

  TENSIM_KERNEL static void widen(Registers& own) {
    TENSIM_UNROLL
    for (unsigned n = 0; n < 4; ++n) {
      own.wide[n / 2][n % 2] += static_cast<double>(own.products[n / 2][n % 2]);
      own.products[n / 2][n % 2] = T(0);
    }
  }

  // Element k of a model, where there is one.
  TENSIM_KERNEL static T element(const T* const* models, std::uint32_t count, std::uint32_t model, std::uint64_t k,
                                 std::uint64_t end) {
    if (model >= count || k >= end) return T(0);
    const T* const vector = models[model];
    return vector == nullptr ? T(0) : vector[k];
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& arguments) {
    const Work work = arguments.work[block.index];
    block.each_thread([&](unsigned, Registers& own) {
      for (unsigned n = 0; n < 4; ++n) {
        own.products[n / 2][n % 2] = T(0);
        own.wide[n / 2][n % 2] = 0;
      }
    });
    for (std::uint64_t k = work.begin; k < work.end; k += kVectorStage) {
      block.each_thread([&](unsigned thread, Registers&) {
        const unsigned step = thread % kVectorStage;
        for (unsigned model = thread / kVectorStage; model < kVectorSide; model += kThreads / kVectorStage) {
          shared.a[model][step] = element(arguments.rows, arguments.row_count, work.row + model, k + step, work.end);
          shared.b[model][step] =
              element(arguments.columns, arguments.column_count, work.column + model, k + step, work.end);
        }
      });
      const bool full =
          sizeof(T) < sizeof(double) && ((k - work.begin) / kVectorStage + 1) % kVectorStagesInSingle == 0;
      block.each_thread([&](unsigned thread, Registers& own) {
        const unsigned x = thread % kSide, y = thread / kSide;
        TENSIM_UNROLL
        for (unsigned step = 0; step < kVectorStage; ++step) {
          const T a[2] = {shared.a[y][step], shared.a[y + kSide][step]};
          const T b[2] = {shared.b[x][step], shared.b[x + kSide][step]};
          TENSIM_UNROLL
          for (unsigned n = 0; n < 4; ++n) own.products[n / 2][n % 2] += a[n / 2] * b[n % 2];
        }
        if (full) widen(own);
      });
    }
    block.each_thread([&](unsigned thread, Registers& own) {
      widen(own);
      double* const sums = arguments.sums + block.index * kVectorSide * kVectorSide;
      TENSIM_UNROLL
      for (unsigned n = 0; n < 4; ++n) {
        sums[(thread / kSide + n / 2 * kSide) * kVectorSide + thread % kSide + n % 2 * kSide] = own.wide[n / 2][n % 2];
      }
    });
  }
};

}  // namespace tensim::cuda
