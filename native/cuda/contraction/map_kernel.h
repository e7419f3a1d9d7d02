#pragma once

#include "loops.h"

namespace tensim::cuda {

// What is computed element by element: out = factor · a · b with broadcasting, or factor · a without b. The loops are
// cut into tiles that reach some way along the nearest loops of every view, so that each can be read or written in
// whole sectors of memory; what is read in another order than it is written goes through shared memory.
template <class T>
struct StepMapKernel {
  static constexpr unsigned kThreads = 256, kOwn = 8;
  static constexpr unsigned kResident = 2;
  static constexpr unsigned kTileElements = kThreads * kOwn;
  static constexpr unsigned kMostLoops = 12;  // of a tile: 2^11 is its size

  // A loop of a tile: `chunk` of its `size`, in which outer loop goes on with it.
  struct Inner {
    std::uint32_t chunk, outer;
    std::uint32_t below;  // how far apart, in the order of the output, neighbours are in a tile
    bool cut;
    std::uint64_t size;
    std::int64_t a, b, out;
  };
  struct Arguments {
    const T *a, *b;
    T* out;
    T factor;
    std::uint32_t accumulate;
    std::uint32_t elements;  // of a tile
    std::uint64_t tiles;
    std::uint32_t inner_count;
    std::uint8_t orders[3][kMostLoops];  // the inner loops by falling stride in a, b and the output
    bool direct[2];                      // in the order of the output
    Inner inner[kMostLoops];             // by falling stride in the output
    LoopList outer;                      // strides from tile to tile
  };
  struct Shared {
    Offsets offsets[TENSIM_CUDA_LOOPS_MOST];
    std::uint64_t digits[TENSIM_CUDA_LOOPS_MOST];
    T staged[2][kTileElements];
  };
  struct Registers {
    std::int32_t out[kOwn], in[2][kOwn];  // a tile reaches no further (MapRun)
    std::uint16_t staged[2][kOwn];
    Offsets tile;
    bool edge;
  };

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& task) {
    block.alone([&](unsigned thread, Registers& own) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < kOwn; ++n) {
        const unsigned e = thread + n * kThreads;
        const Place out = place(task, kOut, e);
        const Place a = place(task, task.direct[0] ? kOut : 0, e), b = place(task, task.direct[1] ? kOut : 1, e);
        own.out[n] = static_cast<std::int32_t>(out.offsets.out);
        own.in[0][n] = static_cast<std::int32_t>(a.offsets.a);
        own.in[1][n] = static_cast<std::int32_t>(b.offsets.b);
        own.staged[0][n] = static_cast<std::uint16_t>(a.position);
        own.staged[1][n] = static_cast<std::uint16_t>(b.position);
      }
    });
    const bool staged = !task.direct[0] || (task.b != nullptr && !task.direct[1]);
    for (std::uint64_t tile = block.index; tile < task.tiles; tile += block.count) {
      block.each_thread([&](unsigned thread, Registers&) { begin(shared, task, tile, thread); });
      block.alone([&](unsigned, Registers& own) { find(shared, task, own); });
      if (staged) {
        block.each_thread([&](unsigned thread, Registers& own) {
          if (!task.direct[0]) stage(shared, task, own, 0, task.a + own.tile.a, thread);
          if (task.b != nullptr && !task.direct[1]) stage(shared, task, own, 1, task.b + own.tile.b, thread);
        });
      }
      block.each_thread([&](unsigned thread, Registers& own) { write(shared, task, own, thread); });
    }
  }

 private:
  static constexpr unsigned kOut = 2;  // its order

  struct Place {
    Offsets offsets;
    unsigned position;  // in the order of the output
  };

  TENSIM_KERNEL static Place place(const Arguments& task, unsigned order, std::uint32_t e) {
    Place place{{}, 0};
    for (std::uint32_t n = task.inner_count; n > 0; --n) {
      const Inner& loop = task.inner[task.orders[order][n - 1]];
      const std::uint32_t digit = e % loop.chunk;
      e /= loop.chunk;
      place.offsets.a += digit * loop.a;
      place.offsets.b += digit * loop.b;
      place.offsets.out += digit * loop.out;
      place.position += digit * loop.below;
    }
    return place;
  }

  // A thread for each outer loop.
  TENSIM_KERNEL static void begin(Shared& shared, const Arguments& task, std::uint64_t tile, unsigned thread) {
    if (thread >= task.outer.count) return;
    std::uint64_t digit = 0, rest = tile;
    for (std::uint32_t l = task.outer.count; l > thread; --l) {
      digit = rest;
      rest = divided(digit, task.outer.loops[l - 1].size);
    }
    const TensimCudaLoop& loop = task.outer.loops[thread];
    const auto place = static_cast<std::int64_t>(digit);
    shared.offsets[thread].a = place * loop.a;
    shared.offsets[thread].b = place * loop.b;
    shared.offsets[thread].out = place * loop.out;
    shared.digits[thread] = digit;
  }

  TENSIM_KERNEL static void find(const Shared& shared, const Arguments& task, Registers& own) {
    Offsets tile;
    for (std::uint32_t l = 0; l < task.outer.count; ++l) {
      tile.a += shared.offsets[l].a;
      tile.b += shared.offsets[l].b;
      tile.out += shared.offsets[l].out;
    }
    own.tile = tile;
    bool edge = false;
    for (std::uint32_t l = 0; l < task.inner_count; ++l) {
      const Inner& loop = task.inner[l];
      edge = edge || (loop.cut && (shared.digits[loop.outer] + 1) * loop.chunk > loop.size);
    }
    own.edge = edge;
  }

  // Whether an element of a tile is there; at its end a loop may be over.
  TENSIM_KERNEL static bool inside(const Shared& shared, const Arguments& task, const Registers& own, unsigned order,
                                   std::uint32_t e) {
    if (e >= task.elements) return false;
    if (!own.edge) return true;
    for (std::uint32_t n = task.inner_count; n > 0; --n) {
      const Inner& loop = task.inner[task.orders[order][n - 1]];
      const std::uint32_t digit = e % loop.chunk;
      e /= loop.chunk;
      if (loop.cut && shared.digits[loop.outer] * loop.chunk + digit >= loop.size) return false;
    }
    return true;
  }

  TENSIM_KERNEL static void stage(Shared& shared, const Arguments& task, const Registers& own, unsigned operand,
                                  const T* from, unsigned thread) {
    T values[kOwn];
    TENSIM_UNROLL
    for (unsigned n = 0; n < kOwn; ++n) {
      const bool there = inside(shared, task, own, operand, thread + n * kThreads);
      values[n] = there ? from[own.in[operand][n]] : T(0);
    }
    TENSIM_UNROLL
    for (unsigned n = 0; n < kOwn; ++n) {
      if (thread + n * kThreads < task.elements) shared.staged[operand][own.staged[operand][n]] = values[n];
    }
  }

  TENSIM_KERNEL static void write(const Shared& shared, const Arguments& task, const Registers& own, unsigned thread) {
    const bool whole = !own.edge && task.elements == kTileElements;
    if (whole && task.direct[0] && task.b == nullptr && task.accumulate == 0) {
      T values[kOwn];
      TENSIM_UNROLL
      for (unsigned n = 0; n < kOwn; ++n) values[n] = task.a[own.tile.a + own.in[0][n]];
      TENSIM_UNROLL
      for (unsigned n = 0; n < kOwn; ++n) task.out[own.tile.out + own.out[n]] = task.factor * values[n];
      return;
    }
    TENSIM_UNROLL
    for (unsigned n = 0; n < kOwn; n += kTogether) write_some(shared, task, own, thread, n, whole);
  }

  // So few that no register is short.
  static constexpr unsigned kTogether = 4;
  TENSIM_KERNEL static void write_some(const Shared& shared, const Arguments& task, const Registers& own,
                                       unsigned thread, unsigned first, bool whole) {
    T values[kTogether], others[kTogether], before[kTogether];
    bool there[kTogether];
    TENSIM_UNROLL
    for (unsigned i = 0; i < kTogether; ++i) {
      const unsigned n = first + i, e = thread + n * kThreads;
      there[i] = whole || inside(shared, task, own, kOut, e);
      values[i] = others[i] = before[i] = T(0);
      if (!there[i]) continue;
      values[i] = task.direct[0] ? task.a[own.tile.a + own.in[0][n]] : shared.staged[0][e];
      if (task.b != nullptr) {
        others[i] = task.direct[1] ? task.b[own.tile.b + own.in[1][n]] : shared.staged[1][e];
      }
      if (task.accumulate != 0) before[i] = task.out[own.tile.out + own.out[n]];
    }
    TENSIM_UNROLL
    for (unsigned i = 0; i < kTogether; ++i) {
      if (!there[i]) continue;
      T value = task.factor * values[i];
      if (task.b != nullptr) value *= others[i];
      task.out[own.tile.out + own.out[first + i]] = task.accumulate != 0 ? before[i] + value : value;
    }
  }
};

}  // namespace tensim::cuda
