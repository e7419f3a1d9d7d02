#pragma once

#include "sides.h"
#include "units_kernel.h"

namespace tensim::cuda {

// What closed forms are given of listed pairs of units, in double, a pair per thread: their products from the
// difference of the two directions, as native/gaussian/hidden_kernel.h has them, and M.
template <class T>
struct ListedKernel {
  static constexpr unsigned kThreads = 64;

  struct Entry {
    double gap, kappa, kappa_prime, nu, weight;
  };
  struct Pair {
    std::uint32_t row, column;  // sides
    std::uint32_t gated;
  };
  struct Arguments {
    const UnitsSide<T>* sides;
    const Pair* pairs;
    const ListedUnits* listed;
    std::uint64_t count, depth, outputs, row_stages, down_stages;
    Entry* entries;
  };
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t at = block.index * kThreads + thread;
      if (at >= arguments.count) return;
      const ListedUnits units = arguments.listed[at];
      const Pair pair = arguments.pairs[units.pair];
      const UnitsSide<T>&row = arguments.sides[pair.row], &column = arguments.sides[pair.column];
      const double sign = units.negative != 0 ? -1 : 1;
      const auto part = [&](const UnitsSide<T>& side, std::uint32_t unit, unsigned which, std::uint64_t k) -> double {
        const std::uint64_t at = pair.gated != 0 ? 2 * std::uint64_t{unit} + which : unit;
        return static_cast<double>(element_of(side.rows, arguments.row_stages, at, k));
      };
      Entry entry{};
      for (std::uint64_t k = 0; k < arguments.depth; ++k) {
        const double own = part(row, units.row, 0, k), other = part(column, units.column, 0, k);
        const double gap = own - sign * other;
        entry.gap += gap * gap;
        if (pair.gated == 0) continue;
        const double up = part(row, units.row, 1, k), other_up = part(column, units.column, 1, k);
        entry.kappa -= up * gap * sign;
        entry.kappa_prime += other_up * gap;
        entry.nu += up * other_up;
      }
      for (std::uint64_t c = 0; c < arguments.outputs; ++c) {
        entry.weight += static_cast<double>(element_of(row.down, arguments.down_stages, units.row, c)) *
                        static_cast<double>(element_of(column.down, arguments.down_stages, units.column, c));
      }
      arguments.entries[at] = entry;
    });
  }
};

// Σ D_ci K D'_cj of the listed pairs of units of every pair of models, in their order, an output per thread.
template <class T>
struct ListedSlicesKernel {
  static constexpr unsigned kThreads = 64;

  struct Group {
    std::uint32_t pair, first, end;  // entries
  };
  struct Arguments {
    const UnitsSide<T>* sides;
    const typename ListedKernel<T>::Pair* pairs;
    const ListedUnits* listed;
    const double* values;
    const Group* groups;
    std::uint64_t group_count, outputs, down_stages;
    double* slices;  // (groups, outputs)
  };
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t place = block.index * kThreads + thread;
      if (place >= arguments.group_count * arguments.outputs) return;
      const Group group = arguments.groups[place / arguments.outputs];
      const std::uint64_t c = place % arguments.outputs;
      const typename ListedKernel<T>::Pair pair = arguments.pairs[group.pair];
      double sum = 0;
      for (std::uint32_t at = group.first; at < group.end; ++at) {
        const ListedUnits units = arguments.listed[at];
        sum +=
            arguments.values[at] *
            static_cast<double>(element_of(arguments.sides[pair.row].down, arguments.down_stages, units.row, c)) *
            static_cast<double>(element_of(arguments.sides[pair.column].down, arguments.down_stages, units.column, c));
      }
      arguments.slices[place] = sum;
    });
  }
};

// Σ_ij D_ci K_ij D'_cj of every tile of K for every output c, in double. A block takes 32 outputs of a tile, a warp an
// eighth of its columns.
template <class T, bool kGated>
struct UnitsSliceKernel {
  static constexpr unsigned kThreads = 256;
  static constexpr unsigned kWarps = kThreads / kWarp, kColumns = kTileUnits / kWarps;
  using Work = UnitsWork;

  struct Arguments {
    const UnitsSide<T>* sides;
    const Work* work;
    std::uint64_t work_count, outputs, down_stages;
    const T* area;
    double* parts;  // (parts, outputs)
  };
  struct Shared {
    double sums[kWarps][kWarp];
  };
  struct Registers {
    double sums[kColumns];
  };

  static std::uint64_t blocks(std::uint64_t work_count, std::uint64_t outputs) {
    return work_count * ((outputs + kWarp - 1) / kWarp);
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& arguments) {
    const std::uint64_t chunks = (arguments.outputs + kWarp - 1) / kWarp, w = block.index / chunks;
    const Work& work = arguments.work[w];
    block.each_thread([&](unsigned thread, Registers& own) {
      const unsigned warp = thread / kWarp, lane = thread % kWarp;
      const std::uint64_t wanted = block.index % chunks * kWarp + lane,
                          c = wanted < arguments.outputs ? wanted : arguments.outputs - 1;
      const UnitsSide<T>&row = arguments.sides[work.row], &column = arguments.sides[work.column];
      const std::uint32_t first = work.row_tile * kTileUnits, left = row.units - first,
                          rows = left < kTileUnits ? left : kTileUnits,
                          first_column = work.column_tile * kTileUnits + warp * kColumns;
      const T* const values = arguments.area + w * kTileArea + warp * kColumns;
      TENSIM_UNROLL
      for (double& sum : own.sums) sum = 0;
      for (std::uint32_t i = 0; i < rows; ++i) {
        const double weight = static_cast<double>(element_of(row.down, arguments.down_stages, first + i, c));
        TENSIM_UNROLL
        for (unsigned j = 0; j < kColumns; ++j) {
          own.sums[j] += weight * static_cast<double>(values[i * kTileUnits + j]);
        }
      }
      double sum = 0;
      TENSIM_UNROLL
      for (unsigned j = 0; j < kColumns; ++j) {
        const std::uint32_t unit = first_column + j;
        if (unit < column.units) {
          sum += own.sums[j] * static_cast<double>(element_of(column.down, arguments.down_stages, unit, c));
        }
      }
      shared.sums[warp][lane] = sum;
    });
    block.alone([&](unsigned thread, Registers&) {
      const std::uint64_t c = block.index % chunks * kWarp + thread;
      if (thread >= kWarp || c >= arguments.outputs) return;
      double sum = 0;
      for (unsigned warp = 0; warp < kWarps; ++warp) sum += shared.sums[warp][thread];
      arguments.parts[std::uint64_t{work.part} * arguments.outputs + c] = sum;
    });
  }
};

}  // namespace tensim::cuda
