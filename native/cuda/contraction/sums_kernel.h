#pragma once

#include "loops.h"

namespace tensim::cuda {

// out[i] = factor · Σ_w a[i, w] · b[i, w], or Σ_w a[i, w] without b, summed in double: reductions and products with
// vectors, which read each element once. Summed loops are taken as pieces: a stretch of the inner one, for one
// combination of the others. A block sums so many kept elements (lanes of the first kind) over one part of the pieces,
// its other lanes beside each other and then in pairs; parts are added up by FoldKernel.
template <class T>
struct SumsKernel {
  static constexpr unsigned kThreads = 256;

  struct Arguments {
    const T *a, *b;
    T* out;
    double* parts;  // (parts, kept elements), or null where there is one
    std::uint64_t kept_count, kept_blocks;
    std::uint32_t kept_lanes;    // a power of two
    std::uint32_t inner_lanes;   // along the inner loop, of the other lanes; a power of two
    std::uint32_t kept_nearest;  // neighbouring threads have neighbouring kept elements, not summed ones
    std::uint32_t accumulate;
    std::uint64_t inner, piece;  // size of the inner loop, and of a piece of it
    std::int64_t inner_a, inner_b;
    std::uint64_t pieces, part_pieces;
    double factor;
    std::uint32_t kept;  // loops: the first of the list; then the summed ones but for the inner one
    LoopList list;
  };
  struct Shared {
    double sums[kThreads];
  };
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared& shared, const Arguments& task) {
    const std::uint64_t part = block.index / task.kept_blocks;
    const std::uint64_t first = block.index % task.kept_blocks * task.kept_lanes;
    const unsigned lanes = kThreads / task.kept_lanes;
    block.each_thread([&](unsigned thread, Registers&) {
      const unsigned p = task.kept_nearest != 0 ? thread % task.kept_lanes : thread / lanes;
      const unsigned q = task.kept_nearest != 0 ? thread / task.kept_lanes : thread % lanes;
      shared.sums[q * task.kept_lanes + p] =
          first + p < task.kept_count ? sum(task, first + p, part, q, lanes / task.inner_lanes) : 0;
    });
    for (unsigned half = lanes / 2; half > 0; half /= 2) {
      block.each_thread([&](unsigned thread, Registers&) {
        if (thread < half * task.kept_lanes) shared.sums[thread] += shared.sums[thread + half * task.kept_lanes];
      });
    }
    block.alone([&](unsigned thread, Registers&) {
      const std::uint64_t at = first + thread;
      if (thread >= task.kept_lanes || at >= task.kept_count) return;
      if (task.parts != nullptr) {
        task.parts[part * task.kept_count + at] = shared.sums[thread];
        return;
      }
      T& out = task.out[offsets_at(task.list, 0, task.kept, at).out];
      const double value = task.factor * shared.sums[thread];
      out = static_cast<T>(task.accumulate != 0 ? static_cast<double>(out) + value : value);
    });
  }

 private:
  TENSIM_KERNEL static double sum(const Arguments& task, std::uint64_t kept, std::uint64_t part, unsigned q,
                                  unsigned outer_lanes) {
    const Offsets place = offsets_at(task.list, 0, task.kept, kept);
    const std::uint64_t per_outer = (task.inner + task.piece - 1) / task.piece;
    const std::uint64_t end = (part + 1) * task.part_pieces < task.pieces ? (part + 1) * task.part_pieces : task.pieces;
    const unsigned step = task.inner_lanes;
    double sum = 0;
    for (std::uint64_t u = part * task.part_pieces + q / step; u < end; u += outer_lanes) {
      std::uint64_t stretch = u;
      const std::uint64_t outer = divided(stretch, per_outer);
      const Offsets more = offsets_at(task.list, task.kept, task.list.count, outer);
      const std::uint64_t begin = stretch * task.piece;
      const std::uint64_t last = begin + task.piece < task.inner ? begin + task.piece : task.inner;
      std::uint64_t j = begin + q % step;
      const T* a = task.a + place.a + more.a + static_cast<std::int64_t>(j) * task.inner_a;
      const std::int64_t step_a = step * task.inner_a, step_b = step * task.inner_b;
      constexpr unsigned kTogether = 4;
      if (task.b == nullptr) {
        for (; j + (kTogether - 1) * step < last; j += kTogether * step) {
          T read[kTogether];
          TENSIM_UNROLL
          for (unsigned n = 0; n < kTogether; ++n, a += step_a) read[n] = *a;
          TENSIM_UNROLL
          for (unsigned n = 0; n < kTogether; ++n) sum += static_cast<double>(read[n]);
        }
        for (; j < last; j += step, a += step_a) sum += static_cast<double>(*a);
        continue;
      }
      const T* b = task.b + place.b + more.b + static_cast<std::int64_t>(j) * task.inner_b;
      for (; j + (kTogether - 1) * step < last; j += kTogether * step) {
        T read[kTogether], weights[kTogether];
        TENSIM_UNROLL
        for (unsigned n = 0; n < kTogether; ++n, a += step_a, b += step_b) {
          read[n] = *a;
          weights[n] = *b;
        }
        TENSIM_UNROLL
        for (unsigned n = 0; n < kTogether; ++n) sum += static_cast<double>(read[n]) * static_cast<double>(weights[n]);
      }
      for (; j < last; j += step, a += step_a, b += step_b) sum += static_cast<double>(*a) * static_cast<double>(*b);
    }
    return sum;
  }
};

}  // namespace tensim::cuda
