#pragma once

#include "grid.h"
#include "micro_tile.h"

namespace tensim::cuda {

// A square of models of the pair kernel, all of these rows with all of these columns, and where what belongs to it is.
struct CellTask {
  std::uint32_t row, row_end, column, column_end;  // models
  std::uint64_t share, stride;                     // the first share, and how many further the next row panel begins
  std::uint64_t cell;                              // of the first pair; rows lie one after the other

  TENSIM_BOTH std::uint64_t cells() const { return std::uint64_t{row_end - row} * (column_end - column); }
};

// Inner products of the pairs of such squares, of what the pair kernel and the vector kernels left: per output
//
//   slice = factor · (weight · (Σ shares + product of vectors) + constant · constant')
//
// and their sum, everything in the order of outputs and panels, and rounded as the host would.
struct CellKernel {
  static constexpr unsigned kThreads = 256;

  struct Arguments {
    TaskList<CellTask> squares;
    const std::uint32_t *row_panels, *column_panels;  // the first panel of every model, and the number of all
    const double* shares;
    std::uint64_t share_size, outputs;
    const double* vectors;  // (rows from `first_row` on, columns, outputs), or null
    std::uint64_t first_row, column_count;
    const double *row_constants, *column_constants;  // (models, outputs), or null
    double weight, factor;
    bool symmetric;  // pairs below the diagonal are left out
    double* totals;  // by cells
    double* slices;  // (cells, outputs), or null
  };

  struct Shared {
    double values[kThreads];
  };
  struct Registers {
    double total;
  };

  // Pairs of a block: a thread has one output of one of them.
  TENSIM_BOTH static std::uint64_t cells_of_block(std::uint64_t outputs) {
    return outputs == 0 || outputs > kThreads ? 1 : kThreads / outputs;
  }
  static std::uint64_t blocks(const CellTask& square, std::uint64_t outputs) {
    const std::uint64_t each = cells_of_block(outputs);
    return (square.cells() + each - 1) / each;
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& arguments) {
    const std::uint32_t number = task_of(arguments.squares.first, arguments.squares.count, block.index);
    const CellTask square = arguments.squares.tasks[number];
    const std::uint64_t outputs = arguments.outputs, each = cells_of_block(outputs);
    const std::uint64_t first = (block.index - arguments.squares.first[number]) * each;
    const std::uint64_t columns = square.column_end - square.column, width = outputs < kThreads ? outputs : kThreads;
    block.alone([](unsigned, Registers& own) { own.total = 0; });
    for (std::uint64_t output = 0; output < outputs; output += kThreads) {
      const std::uint64_t outputs_now = outputs - output < width ? outputs - output : width;
      block.each_thread([&](unsigned thread, Registers&) {
        const std::uint64_t cell = first + thread / width, c = output + thread % width;
        if (thread / width >= each || cell >= square.cells() || c >= outputs) return;
        const std::uint64_t row = square.row + cell / columns, column = square.column + cell % columns;
        if (arguments.symmetric && column < row) return;
        const double value = slice(arguments, square, row, column, c);
        shared.values[thread] = value;
        if (arguments.slices != nullptr) arguments.slices[(square.cell + cell) * outputs + c] = value;
      });
      block.each_thread([&](unsigned thread, Registers& own) {
        if (thread >= each || first + thread >= square.cells()) return;
        for (std::uint64_t c = 0; c < outputs_now; ++c) own.total += shared.values[thread * width + c];
      });
    }
    block.alone([&](unsigned thread, Registers& own) {
      if (thread < each && first + thread < square.cells()) arguments.totals[square.cell + first + thread] = own.total;
    });
  }

 private:
  // Not joined to one operation, which would be rounded once only.
  TENSIM_KERNEL static double product(double a, double b) {
#if defined(__CUDACC__)
    return __dmul_rn(a, b);
#else
    return a * b;
#endif
  }

  TENSIM_KERNEL static double slice(const Arguments& arguments, const CellTask& square, std::uint64_t row,
                                    std::uint64_t column, std::uint64_t c) {
    const std::uint64_t outputs = arguments.outputs;
    const std::uint32_t top = arguments.row_panels[row] - arguments.row_panels[square.row],
                        left = arguments.column_panels[column] - arguments.column_panels[square.column];
    const std::uint32_t rows = arguments.row_panels[row + 1] - arguments.row_panels[row],
                        columns = arguments.column_panels[column + 1] - arguments.column_panels[column];
    double sum = 0;
    for (std::uint32_t y = 0; y < rows; ++y) {
      const double* const shares =
          arguments.shares + (square.share + (top + y) * square.stride + left) * arguments.share_size + c;
      for (std::uint32_t x = 0; x < columns; ++x) sum += shares[x * arguments.share_size];
    }
    if (arguments.vectors != nullptr) {
      sum += arguments.vectors[((row - arguments.first_row) * arguments.column_count + column) * outputs + c];
    }
    double slice = product(arguments.weight, sum);
    if (arguments.row_constants != nullptr) {
      slice += product(arguments.row_constants[row * outputs + c], arguments.column_constants[column * outputs + c]);
    }
    return product(arguments.factor, slice);
  }
};

}  // namespace tensim::cuda
