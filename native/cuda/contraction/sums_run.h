#pragma once

#include "fold_kernel.h"
#include "step_runner.h"
#include "sums_kernel.h"

namespace tensim::cuda {

// How sums of so many terms are shared out to lanes and parts, by their shape alone.
struct SumsCut {
  std::uint64_t kept_lanes, kept_blocks, piece, pieces, part_pieces, parts;

  // @param across whether kept elements are read side by side, else summed ones
  static SumsCut of(std::uint64_t kept, std::uint64_t inner, std::uint64_t others, bool across) {
    constexpr std::uint64_t kThreads = 256, kLane = 4;     // terms that are worth a lane
    constexpr std::uint64_t kPiece = 8192, kPart = 16384;  // terms at least, of a part
    constexpr std::uint64_t kBlocks = 2112, kParts = 512;  // keep a large device busy; at most
    SumsCut cut{};
    const std::uint64_t terms = inner * others;
    std::uint64_t lanes = across ? 8 : kThreads;
    while (lanes > 1 && lanes * kLane > std::max(terms, kLane)) lanes /= 2;
    cut.kept_lanes = kThreads / lanes;
    cut.kept_blocks = (kept + cut.kept_lanes - 1) / cut.kept_lanes;
    cut.piece = std::min(inner, kPiece);
    cut.pieces = (inner + cut.piece - 1) / cut.piece * others;
    std::uint64_t parts = std::min({kParts, std::max<std::uint64_t>(1, kBlocks / cut.kept_blocks),
                                    std::max<std::uint64_t>(1, terms / kPart), cut.pieces});
    cut.part_pieces = (cut.pieces + parts - 1) / parts;
    cut.parts = (cut.pieces + cut.part_pieces - 1) / cut.part_pieces;
    return cut;
  }
};

// A reduction, or a product of which only one operand has loops of its own; those are to be the left ones.
template <class Device, class T>
void run_sums(Runner<Device>& runner, Step<T> step) {
  using Kernel = SumsKernel<T>;
  if (!step.right.empty()) step.exchange();
  Loops kept = step.batch, summed = step.contracted;
  kept.insert(kept.end(), step.left.begin(), step.left.end());
  const bool across = nearest(kept, &TensimCudaLoop::a) < nearest(summed, &TensimCudaLoop::a);
  if (across) nearest_last(kept, &TensimCudaLoop::a);
  nearest_last(summed, &TensimCudaLoop::a);
  // The inner loop is the nearest one, unless that is short.
  constexpr std::uint64_t kLongEnough = 32;
  TensimCudaLoop inner{1, 0, 0, 0};
  if (!summed.empty()) {
    auto best = summed.end() - 1;
    if (best->size < kLongEnough) {
      best =
          std::max_element(summed.begin(), summed.end(), [](const auto& x, const auto& y) { return x.size < y.size; });
    }
    inner = *best;
    summed.erase(best);
  }
  const std::uint64_t count = extent(kept), others = extent(summed);
  const SumsCut cut = SumsCut::of(count, inner.size, others, across);
  const DeviceBuffer<Device, double> parts(runner.device, cut.parts > 1 ? cut.parts * count : 0);

  typename Kernel::Arguments task{};
  task.a = step.a;
  task.b = step.b;
  task.out = step.out;
  task.parts = parts.data();
  task.kept_count = count;
  task.kept_blocks = cut.kept_blocks;
  task.kept_lanes = static_cast<std::uint32_t>(cut.kept_lanes);
  task.inner_lanes = 1;
  while (task.inner_lanes < Kernel::kThreads / task.kept_lanes && task.inner_lanes < inner.size) task.inner_lanes *= 2;
  task.kept_nearest = across ? 1 : 0;
  task.accumulate = step.accumulate ? 1 : 0;
  task.inner = inner.size;
  task.piece = cut.piece;
  task.inner_a = inner.a;
  task.inner_b = inner.b;
  task.pieces = cut.pieces;
  task.part_pieces = cut.part_pieces;
  task.factor = step.factor;
  task.kept = static_cast<std::uint32_t>(kept.size());
  task.list = list_of({&kept, &summed});
  runner.template launch<Kernel>(cut.kept_blocks * cut.parts, task,
                                 static_cast<double>(count) * static_cast<double>(inner.size * others));
  if (cut.parts == 1) return;
  using Fold = FoldKernel<T, double>;
  runner.template launch<Fold>(
      (count + Fold::kThreads - 1) / Fold::kThreads,
      {parts.data(), cut.parts, count, step.out, step.factor, step.accumulate ? 1u : 0u, task.kept, task.list});
}

}  // namespace tensim::cuda
