#pragma once

#include "map_kernel.h"

namespace tensim::cuda {

// How the queries of all inputs are divided: a block takes up to 32 of one head, of several inputs where they have few
// positions, and else of one, whose keys it goes through 32 at a time.
constexpr unsigned kQueries = 32, kKeys = 32;

TENSIM_KERNEL std::uint64_t least(std::uint64_t a, std::uint64_t b) {
  return a < b ? a : b;
}

struct Queries {
  std::uint64_t rows, positions;

  TENSIM_BOTH bool several() const { return positions < kQueries; }
  // Of a block.
  TENSIM_BOTH std::uint64_t together() const { return several() ? kQueries / positions * positions : kQueries; }
  // Where an input has more positions than a block takes queries, its last block has fewer.
  TENSIM_BOTH std::uint64_t per_input() const { return (positions + kQueries - 1) / kQueries; }
  // Blocks of a head.
  TENSIM_BOTH std::uint64_t parts() const {
    return several() ? (rows + together() - 1) / together() : rows / positions * per_input();
  }

  struct Part {
    std::uint64_t first;  // row
    unsigned count;
  };
  TENSIM_KERNEL Part part(std::uint64_t number) const {
    if (several()) {
      const std::uint64_t first = number * together();
      return {first, static_cast<unsigned>(least(rows - first, together()))};
    }
    const std::uint64_t input = number / per_input(), first = number % per_input() * kQueries;
    return {input * positions + first, static_cast<unsigned>(least(positions - first, kQueries))};
  }
};

}  // namespace tensim::cuda
