#pragma once

#include "element_kernel.h"
#include "fold_kernel.h"
#include "product_kernel.h"
#include "step_runner.h"

namespace tensim::cuda {

// How the depth of a product is cut, by its shape alone: few tiles are shared by several blocks each.
struct DepthParts {
  std::uint64_t parts, depth;  // of one of them

  template <class T>
  static DepthParts of(std::uint64_t batch, std::uint64_t m, std::uint64_t n, std::uint64_t k) {
    constexpr std::uint64_t kTiles = 264;  // keep a large device busy, twice over
    constexpr std::uint64_t kLeast = 8;    // stages worth a part
    const std::uint64_t stages = (k + kStage<T> - 1) / kStage<T>;
    const std::uint64_t tiles = batch * ((m + kTileRows - 1) / kTileRows) * ((n + kTileRows - 1) / kTileRows);
    constexpr std::uint64_t kLongest = std::uint64_t{1} << 24;
    const std::uint64_t wanted = std::min((kTiles + tiles - 1) / tiles, stages / kLeast);
    if ((2 * tiles > kTiles || wanted < 2) && stages <= kLongest) return {1, stages * kStage<T>};
    const std::uint64_t length = std::min(kLongest, (stages + wanted - 1) / wanted);
    return {(stages + length - 1) / length, length * kStage<T>};
  }
};

template <class Device, class T>
class ProductRun {
 public:
  ProductRun(Runner<Device>& runner, Step<T> step, bool tf32) : runner_(runner), step_(std::move(step)), tf32_(tf32) {
    if (ends_near(step_.left) && !ends_near(step_.right)) step_.exchange();
    nearest_last(step_.right, &TensimCudaLoop::b);
    contiguous_last(step_.right);
    nearest_last(step_.left, &TensimCudaLoop::a);
    const bool a_along = nearest(step_.left, &TensimCudaLoop::a) <= nearest(step_.contracted, &TensimCudaLoop::a);
    nearest_last(step_.contracted, a_along ? &TensimCudaLoop::b : &TensimCudaLoop::a);
  }

  void run() {
    const std::uint64_t batch = extent(step_.batch), m = extent(step_.left), n = extent(step_.right),
                        k = extent(step_.contracted);
    const DepthParts cut = DepthParts::of<T>(batch, m, n, k);
    const bool parted = cut.parts > 1;
    const DeviceBuffer<Device, T> parts(runner_.device, parted ? cut.parts * batch * m * n : 0);
    const Loops batch_parts = {{batch, 0, 0, static_cast<std::int64_t>(m * n)}},
                row_parts = {{m, 0, 0, static_cast<std::int64_t>(n)}}, column_parts = {{n, 0, 0, 1}};
    OffsetVectors<Device> offsets;
    offsets.add(step_.batch, OffsetsKernel::kA);
    offsets.again(OffsetsKernel::kB);
    offsets.again(OffsetsKernel::kOut);
    offsets.add(step_.left, OffsetsKernel::kA);
    offsets.again(OffsetsKernel::kOut);
    offsets.add(step_.right, OffsetsKernel::kB);
    offsets.again(OffsetsKernel::kOut);
    offsets.add(step_.contracted, OffsetsKernel::kA);
    offsets.again(OffsetsKernel::kB);
    offsets.compute(runner_);
    OffsetVectors<Device> plain;
    if (parted) {
      plain.add(batch_parts, OffsetsKernel::kOut);
      plain.add(row_parts, OffsetsKernel::kOut);
      plain.add(column_parts, OffsetsKernel::kOut);
      plain.compute(runner_);
    }

    ProductTask<T> task{};
    task.a = step_.a;
    task.b = step_.b;
    task.out = parted ? parts.data() : step_.out;
    task.batch_a = offsets[0];
    task.batch_b = offsets[1];
    task.batch_out = parted ? plain[0] : offsets[2];
    task.rows_a = offsets[3];
    task.rows_out = parted ? plain[1] : offsets[4];
    task.columns_b = offsets[5];
    task.columns_out = parted ? plain[2] : offsets[6];
    task.depths[0] = offsets[7];
    task.depths[1] = offsets[8];
    task.rows = m;
    task.columns = n;
    task.depth = k;
    task.parts = static_cast<std::uint32_t>(cut.parts);
    task.row_tiles = static_cast<std::uint32_t>((m + kTileRows - 1) / kTileRows);
    task.column_tiles = static_cast<std::uint32_t>((n + kTileRows - 1) / kTileRows);
    task.part_depth = cut.depth;
    task.part_size = batch * m * n;
    task.factor = static_cast<T>(parted ? 1 : step_.factor);
    task.accumulate = !parted && step_.accumulate ? 1 : 0;
    task.along_depth[0] = along_depth(step_.left, &TensimCudaLoop::a);
    task.along_depth[1] = along_depth(step_.right, &TensimCudaLoop::b);
    task.in_pairs = parted ? (n % 2 == 0 ? 1 : 0) : in_pairs();
    launch(task, batch);
    if (!parted) return;
    const LoopList list = list_of({&step_.batch, &step_.left, &step_.right});
    using Fold = FoldKernel<T, T>;
    const std::uint64_t count = batch * m * n;
    runner_.template launch<Fold>(
        (count + Fold::kThreads - 1) / Fold::kThreads,
        {parts.data(), cut.parts, count, step_.out, step_.factor, step_.accumulate ? 1u : 0u, list.count, list});
  }

 private:
  static bool ends_near(const Loops& loops) { return nearest(loops, &TensimCudaLoop::out) == 1; }

  // The loop that is contiguous in the output runs fastest.
  static void contiguous_last(Loops& loops) {
    const auto found =
        std::find_if(loops.begin(), loops.end(), [](const TensimCudaLoop& loop) { return loop.out == 1; });
    if (found != loops.end()) std::rotate(found, found + 1, loops.end());
  }

  std::uint32_t along_depth(const Loops& places, LoopStride stride) const {
    return nearest(step_.contracted, stride) < nearest(places, stride) ? 1 : 0;
  }

  std::uint32_t in_pairs() const {
    const auto even = [](const TensimCudaLoop& loop) { return loop.out % 2 == 0; };
    const auto all_even = [&](const Loops& loops) { return std::all_of(loops.begin(), loops.end(), even); };
    const Loops& columns = step_.right;
    const bool pairs = !columns.empty() && columns.back().out == 1 && columns.back().size % 2 == 0 &&
                       std::all_of(columns.begin(), columns.end() - 1, even) && all_even(step_.left) &&
                       all_even(step_.batch) && reinterpret_cast<std::uintptr_t>(step_.out) % (2 * sizeof(T)) == 0;
    return pairs ? 1 : 0;
  }

  void launch(ProductTask<T> task, std::uint64_t batch) {
    // So many entries at a time that 32 bits count their tiles.
    constexpr std::uint64_t kMostTiles = std::uint64_t{1} << 30;
    const std::uint64_t per_entry = std::uint64_t{task.row_tiles} * task.column_tiles * task.parts;
    const std::uint64_t entries = std::max<std::uint64_t>(1, kMostTiles / per_entry);
    const double points = static_cast<double>(task.rows) * static_cast<double>(task.columns) *
                          static_cast<double>(task.depth) / static_cast<double>(per_entry);
    const double flops = 2.0 * kTileRows * kTileRows * static_cast<double>(std::min(task.part_depth, task.depth));
    const std::uint64_t processors = runner_.device.processors();
    const auto rounds = static_cast<std::uint64_t>(runner_.device.limits.flops / flops) / processors;
    const std::uint64_t together = std::max<std::uint64_t>(1, rounds) * processors;
    for (std::uint64_t entry = 0; entry < batch; entry += entries) {
      const std::uint64_t tiles = std::min(entries, batch - entry) * per_entry;
      for (std::uint64_t first = 0; first < tiles; first += together) {
        const std::uint64_t count = std::min(tiles - first, together);
        task.first = static_cast<std::uint32_t>(first);
        task.count = static_cast<std::uint32_t>(count);
        launch(std::min(count, processors), task, points * static_cast<double>(count));
      }
      task.batch_a += entries;
      task.batch_b += entries;
      task.batch_out += entries;
    }
  }

  void launch(std::uint64_t blocks, const ProductTask<T>& task, double points) {
    if constexpr (sizeof(T) < sizeof(double)) {
      if (tf32_) return runner_.template launch<ProductKernel<T, true>>(blocks, task, points);
    }
    runner_.template launch<ProductKernel<T, false>>(blocks, task, points);
  }

  Runner<Device>& runner_;
  Step<T> step_;
  const bool tf32_;
};

// The same element by element.
template <class Device, class T>
void run_elements(Runner<Device>& runner, const Step<T>& step) {
  using Kernel = ElementKernel<T>;
  constexpr double kTerms = 4e9;  // of a launch: some hundredths of a second
  const std::uint64_t k = extent(step.contracted);
  OffsetVectors<Device> depths;
  depths.add(step.contracted, OffsetsKernel::kA);
  depths.again(OffsetsKernel::kB);
  if (k > 0) depths.compute(runner);
  typename Kernel::Arguments arguments{};
  arguments.a = step.a;
  arguments.b = step.b;
  arguments.out = step.out;
  arguments.depth_a = depths[0];
  arguments.depth_b = depths[1];
  arguments.depth = k;
  arguments.factor = step.factor;
  arguments.accumulate = step.accumulate ? 1 : 0;
  arguments.list = list_of({&step.batch, &step.left, &step.right});
  arguments.kept = arguments.list.count;
  const std::uint64_t count = extent(step.batch) * extent(step.left) * extent(step.right);
  const double terms = static_cast<double>(std::max<std::uint64_t>(k, 1));
  const auto together = std::max(std::uint64_t{1} << 16, static_cast<std::uint64_t>(kTerms / terms));
  for (arguments.first = 0; arguments.first < count; arguments.first = arguments.end) {
    arguments.end = std::min(count, arguments.first + together);
    const std::uint64_t now = arguments.end - arguments.first;
    runner.template launch<Kernel>((now + Kernel::kThreads - 1) / Kernel::kThreads, arguments,
                                   static_cast<double>(now) * static_cast<double>(k));
  }
}

}  // namespace tensim::cuda
