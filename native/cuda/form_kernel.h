#pragma once

#include <cmath>

#include "grid.h"

namespace tensim::cuda {

// Elements of a packed symmetric matrix of so many inputs (gaussian/dense_form.h), and where row i begins less i.
TENSIM_KERNEL std::uint64_t form_size(std::uint64_t inputs) {
  return inputs * (inputs + 1) / 2;
}
TENSIM_KERNEL std::uint64_t form_row(std::uint64_t inputs, std::uint64_t i) {
  return i * inputs - i * (i + 1) / 2;
}

// The forms of a model, as gaussian/dense_form.h has them: for inputs i ≤ j and every output c
//
//   Σ_h D_ch (L_hi R_hj + L_hj R_hi), on the diagonal times √½
//
// A block has 32×32 inputs of eight outputs, 16×16 threads the elements {y, y + 16} × {x, x + 16}; L, R and D pass by
// some units at a time.
template <class T>
struct FormKernel {
  static constexpr unsigned kThreads = 256;
  static constexpr unsigned kSide = 32, kUnits = 16, kOutputs = 8;

  struct Arguments {
    const double *left, *right, *down;
    std::uint64_t units, depth, outputs;
    std::uint64_t tiles;   // along a side
    std::uint64_t stride;  // from output to output
    T* forms;
  };

  // What a block reads of L and R: at its rows i and at its columns j.
  struct Shared {
    T left_i[kUnits][kSide], right_i[kUnits][kSide], left_j[kUnits][kSide], right_j[kUnits][kSide];
    T down[kUnits][kOutputs];
  };
  struct Registers {
    T sums[4][kOutputs];
  };

  static std::uint64_t tiles_of(std::uint64_t depth) { return (depth + kSide - 1) / kSide; }
  static std::uint64_t blocks(std::uint64_t depth, std::uint64_t outputs) {
    return tiles_of(depth) * tiles_of(depth) * ((outputs + kOutputs - 1) / kOutputs);
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& arguments) {
    const std::uint64_t tiles = arguments.tiles;
    const std::uint64_t i0 = block.index / tiles % tiles * kSide, j0 = block.index % tiles * kSide;
    const std::uint64_t c0 = block.index / tiles / tiles * kOutputs;
    if (j0 < i0) return;
    block.alone([&](unsigned, Registers& own) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < 4 * kOutputs; ++n) own.sums[n / kOutputs][n % kOutputs] = T(0);
    });
    for (std::uint64_t first = 0; first < arguments.units; first += kUnits) {
      block.each_thread([&](unsigned thread, Registers&) { load(shared, arguments, thread, first, i0, j0, c0); });
      block.each_thread([&](unsigned thread, Registers& own) { add(shared, thread, own); });
    }
    block.alone([&](unsigned thread, Registers& own) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < 4 * kOutputs; ++n) {
        const unsigned e = n / kOutputs;
        const std::uint64_t i = i0 + thread / 16 + e / 2 * 16, j = j0 + thread % 16 + e % 2 * 16, c = c0 + n % kOutputs;
        if (i > j || j >= arguments.depth || c >= arguments.outputs) continue;
        const T sum = own.sums[e][n % kOutputs];
        arguments.forms[c * arguments.stride + form_row(arguments.depth, i) + j] =
            i == j ? sum * static_cast<T>(0.70710678118654752) : sum;
      }
    });
  }

 private:
  TENSIM_KERNEL static void load(Shared& shared, const Arguments& arguments, unsigned thread, std::uint64_t first,
                                 std::uint64_t i0, std::uint64_t j0, std::uint64_t c0) {
    const auto element = [&](const double* matrix, std::uint64_t unit, std::uint64_t input) {
      const bool there = unit < arguments.units && input < arguments.depth;
      return there ? static_cast<T>(matrix[unit * arguments.depth + input]) : T(0);
    };
    for (unsigned n = thread; n < kUnits * kSide; n += kThreads) {
      const unsigned u = n / kSide, k = n % kSide;
      shared.left_i[u][k] = element(arguments.left, first + u, i0 + k);
      shared.right_i[u][k] = element(arguments.right, first + u, i0 + k);
      shared.left_j[u][k] = element(arguments.left, first + u, j0 + k);
      shared.right_j[u][k] = element(arguments.right, first + u, j0 + k);
    }
    if (thread >= kUnits * kOutputs) return;
    const std::uint64_t unit = first + thread / kOutputs, c = c0 + thread % kOutputs;
    const bool there = unit < arguments.units && c < arguments.outputs;
    shared.down[thread / kOutputs][thread % kOutputs] =
        there ? static_cast<T>(arguments.down[c * arguments.units + unit]) : T(0);
  }

  TENSIM_KERNEL static void add(const Shared& shared, unsigned thread, Registers& own) {
    const unsigned x = thread % 16, y = thread / 16;
    TENSIM_UNROLL
    for (unsigned u = 0; u < kUnits; ++u) {
      TENSIM_UNROLL
      for (unsigned e = 0; e < 4; ++e) {
        const unsigned i = y + e / 2 * 16, j = x + e % 2 * 16;
        const T product = shared.left_i[u][i] * shared.right_j[u][j] + shared.left_j[u][j] * shared.right_i[u][i];
        TENSIM_UNROLL
        for (unsigned c = 0; c < kOutputs; ++c) own.sums[e][c] += shared.down[u][c] * product;
      }
    }
  }
};

// Puts the vectors w_c (outputs, depth) behind the forms, and zeros behind them; an element per thread.
template <class T>
struct FormTailKernel {
  static constexpr unsigned kThreads = 256;

  struct Arguments {
    const T* linear;  // null: zeros
    std::uint64_t depth, outputs, size, stride;
    T* forms;
  };
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t place = block.index * kThreads + thread, tail = arguments.stride - arguments.size;
      if (place >= arguments.outputs * tail) return;
      const std::uint64_t c = place / tail, k = place % tail;
      const bool there = arguments.linear != nullptr && k < arguments.depth;
      arguments.forms[c * arguments.stride + arguments.size + k] =
          there ? arguments.linear[c * arguments.depth + k] : T(0);
    });
  }
};

}  // namespace tensim::cuda
