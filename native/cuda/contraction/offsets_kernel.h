#pragma once

#include "loops.h"

namespace tensim::cuda {

// Writes vectors of offsets: of every combination of some adjacent loops, by one of their strides.
struct OffsetsKernel {
  static constexpr unsigned kThreads = 256;
  static constexpr unsigned kMost = 9;  // vectors

  enum Stride : std::uint32_t { kA, kB, kOut };
  struct Vector {
    std::uint32_t begin, end;  // loops
    Stride stride;
    std::uint64_t size;
    std::int64_t* to;
  };
  struct Arguments {
    LoopList list;
    Vector vectors[kMost];
    std::uint32_t count;
    std::uint64_t total;  // of all sizes
  };
  struct Shared {};
  struct Registers {};

  static std::uint64_t blocks(const Arguments& arguments) { return (arguments.total + kThreads - 1) / kThreads; }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      std::uint64_t at = block.index * kThreads + thread;
      for (std::uint32_t v = 0; v < arguments.count; ++v) {
        const Vector& vector = arguments.vectors[v];
        if (at < vector.size) {
          const Offsets offsets = offsets_at(arguments.list, vector.begin, vector.end, at);
          vector.to[at] = vector.stride == kA ? offsets.a : vector.stride == kB ? offsets.b : offsets.out;
          return;
        }
        at -= vector.size;
      }
    });
  }
};

}  // namespace tensim::cuda
