#pragma once

#include "grid.h"

namespace tensim::cuda {

// A model on the device as the pair kernel reads it. Panel p holds kPanelUnits hidden units, L and R interleaved, one step of the depth
// after the other; units and steps that fill up the last are zero:
//
//   panels[(p·depth + k)·2·kPanelUnits + 2u]      L of unit u at step k, + 1: R
//   weights[(p·outputs + c)·kPanelUnits + u]      D_cu
template <class T>
struct PairModel {
  const T* panels;
  const double* weights;
  std::uint32_t panel_count;
};

// Hidden units of a panel, and steps of the depth that are staged in shared memory at a time.
constexpr unsigned kPanelUnits = 32;
constexpr unsigned kPanelRows = 2 * kPanelUnits;
constexpr unsigned kSteps = 16;
// float32 sums this many stages in float32, beyond in double.
constexpr unsigned kStagesInSingle = 16;

// The quadratic part of inner products (MATH.md section 3), per output c
//
//   P_c = Σ_hk D_ch D'_ck [(L_h·L'_k)(R_h·R'_k) + (L_h·R'_k)(R_h·L'_k)]
//
// over a whole tile of pairs. A block takes one row panel of one pair against all column panels of the other model, so that one panel of the
// four h×h products at a time exists, in registers and then as their combination K in shared memory. 16×16 threads multiply 64×64 rows
// of [L; R]; a thread has the units {y, y + 16} × {x, x + 16}, and of each the micro-tile
//
//            | L'  R' |
//        L   | LL  LR |        K = LL·RR + LR·RL
//        R   | RL  RR |
//
// Everything is added up in a fixed order: a result depends on the two models alone.
template <class T>
struct PairKernel {
  static constexpr unsigned kSide = 16;
  static constexpr unsigned kThreads = kSide * kSide;

  // One row panel of one pair.
  struct Work {
    std::uint32_t row, column, panel;
  };

  struct Arguments {
    const PairModel<T>*rows, *columns;
    const Work* work;     // one per block
    std::uint64_t depth;  // a multiple of kSteps
    std::uint64_t outputs;
    double* running;  // (blocks, outputs, kPanelUnits), for the block's own use
    double* sums;     // (blocks, outputs): the block's share of P_c
  };

  struct Shared {
    T a[kSteps][kPanelRows], b[kSteps][kPanelRows];
    double k[kPanelUnits][kPanelUnits + 1];  // one more, so that a column lies in different banks
  };

  struct Registers {
    T products[4][4];  // rows L, R of unit y, then of y + 16; columns alike
    double wide[4][4];
  };

  // Column (or row) n of a thread's four, in a panel.
  TENSIM_KERNEL static unsigned row_of(unsigned place, unsigned n) { return 2 * (place + n / 2 * kSide) + n % 2; }

  TENSIM_KERNEL static void widen(Registers& own) {
    TENSIM_UNROLL
    for (unsigned i = 0; i < 4; ++i) {
      TENSIM_UNROLL
      for (unsigned j = 0; j < 4; ++j) {
        own.wide[i][j] += static_cast<double>(own.products[i][j]);
        own.products[i][j] = T(0);
      }
    }
  }

  TENSIM_KERNEL static void multiply(const Shared& shared, unsigned x, unsigned y, Registers& own) {
    TENSIM_UNROLL
    for (unsigned k = 0; k < kSteps; ++k) {
      T a[4], b[4];
      TENSIM_UNROLL
      for (unsigned n = 0; n < 4; ++n) {
        a[n] = shared.a[k][row_of(y, n)];
        b[n] = shared.b[k][row_of(x, n)];
      }
      TENSIM_UNROLL
      for (unsigned i = 0; i < 4; ++i) {
        TENSIM_UNROLL
        for (unsigned j = 0; j < 4; ++j) own.products[i][j] += a[i] * b[j];
      }
    }
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& arguments) {
    const Work work = arguments.work[block.index];
    const PairModel<T> a = arguments.rows[work.row], b = arguments.columns[work.column];
    const std::uint64_t depth = arguments.depth, outputs = arguments.outputs, slots = outputs * kPanelUnits;
    const T* const row_panel = a.panels + work.panel * depth * kPanelRows;
    const double* const row_weights = a.weights + work.panel * slots;
    double* const running = arguments.running + block.index * slots;

    // A slot of `running` always belongs to the same thread.
    block.each_thread([&](unsigned thread, Registers&) {
      for (std::uint64_t slot = thread; slot < slots; slot += kThreads) running[slot] = 0;
    });
    for (std::uint32_t q = 0; q < b.panel_count; ++q) {
      const T* const column_panel = b.panels + q * depth * kPanelRows;
      const double* const column_weights = b.weights + q * slots;
      block.each_thread([&](unsigned, Registers& own) {
        for (unsigned i = 0; i < 4; ++i) {
          for (unsigned j = 0; j < 4; ++j) {
            own.products[i][j] = T(0);
            own.wide[i][j] = 0;
          }
        }
      });
      for (std::uint64_t k = 0; k < depth; k += kSteps) {
        block.each_thread([&](unsigned thread, Registers&) {
          T *const to_a = &shared.a[0][0], *const to_b = &shared.b[0][0];
          for (unsigned n = thread; n < kSteps * kPanelRows; n += kThreads) {
            to_a[n] = row_panel[k * kPanelRows + n];
            to_b[n] = column_panel[k * kPanelRows + n];
          }
        });
        const bool full = sizeof(T) < sizeof(double) && (k / kSteps + 1) % kStagesInSingle == 0;
        block.each_thread([&](unsigned thread, Registers& own) {
          multiply(shared, thread % kSide, thread / kSide, own);
          if (full) widen(own);
        });
      }
      block.each_thread([&](unsigned thread, Registers& own) {
        widen(own);
        TENSIM_UNROLL
        for (unsigned i = 0; i < 2; ++i) {
          TENSIM_UNROLL
          for (unsigned j = 0; j < 2; ++j) {
            shared.k[thread / kSide + i * kSide][thread % kSide + j * kSide] =
                own.wide[2 * i][2 * j] * own.wide[2 * i + 1][2 * j + 1] +
                own.wide[2 * i][2 * j + 1] * own.wide[2 * i + 1][2 * j];
          }
        }
      });
      block.each_thread([&](unsigned thread, Registers&) {
        for (std::uint64_t slot = thread; slot < slots; slot += kThreads) {
          const double* const weights = column_weights + slot / kPanelUnits * kPanelUnits;
          const unsigned unit = static_cast<unsigned>(slot % kPanelUnits);
          double sum = 0;
          for (unsigned j = 0; j < kPanelUnits; ++j) sum += shared.k[unit][j] * weights[j];
          running[slot] += row_weights[slot] * sum;
        }
      });
    }
    block.each_thread([&](unsigned thread, Registers&) {
      for (std::uint64_t c = thread; c < outputs; c += kThreads) {
        double sum = 0;
        for (unsigned unit = 0; unit < kPanelUnits; ++unit) sum += running[c * kPanelUnits + unit];
        arguments.sums[block.index * outputs + c] = sum;
      }
    });
  }
};

}  // namespace tensim::cuda
