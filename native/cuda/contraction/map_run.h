#pragma once

#include <cmath>

#include "map_kernel.h"
#include "step_runner.h"

namespace tensim::cuda {

// Cuts the loops of an element-wise step into tiles, and runs it.
template <class Device, class T>
class MapRun {
 public:
  using Kernel = StepMapKernel<T>;

  MapRun(Runner<Device>& runner, const Step<T>& step) : runner_(runner), step_(step), loops_(step.batch) {
    nearest_last(loops_, &TensimCudaLoop::out);
    chunks_.assign(loops_.size(), 1);
    reach(&TensimCudaLoop::out, kRun);
    reach(&TensimCudaLoop::a, kRun);
    if (step_.b != nullptr) reach(&TensimCudaLoop::b, kRun);
    reach(&TensimCudaLoop::out, Kernel::kTileElements);  // what is left of the tile
  }

  void run() {
    typename Kernel::Arguments task{};
    task.a = step_.a;
    task.b = step_.b;
    task.out = step_.out;
    task.factor = static_cast<T>(step_.factor);
    task.accumulate = step_.accumulate ? 1 : 0;
    task.elements = 1;
    task.tiles = 1;
    for (std::size_t l = 0; l < loops_.size(); ++l) add(task, loops_[l], chunks_[l]);
    std::uint32_t below = 1;
    for (std::uint32_t n = task.inner_count; n > 0; below *= task.inner[--n].chunk) task.inner[n - 1].below = below;
    task.elements = below;
    order(task, 2, &Kernel::Inner::out);
    task.direct[0] = order(task, 0, &Kernel::Inner::a);
    task.direct[1] = step_.b == nullptr || order(task, 1, &Kernel::Inner::b);
    constexpr std::uint64_t kPerProcessor = 8;
    runner_.template launch<Kernel>(std::min(task.tiles, kPerProcessor * runner_.device.processors()), task,
                                    static_cast<double>(extent(loops_)));
  }

 private:
  // Elements in a row that fill whole sectors.
  static constexpr std::uint64_t kRun = 32;

  // Lengthens the chunks along a view's nearest loops until so many elements lie together, as far as the tile has room.
  void reach(LoopStride stride, std::uint64_t wanted) {
    std::vector<std::size_t> places(loops_.size());
    for (std::size_t l = 0; l < places.size(); ++l) places[l] = l;
    const auto rank = [&](std::size_t l) {
      const std::int64_t far = loops_[l].*stride;
      return far == 0 ? std::numeric_limits<std::int64_t>::max() : std::abs(far);
    };
    std::stable_sort(places.begin(), places.end(), [&](auto x, auto y) { return rank(x) < rank(y); });
    std::uint64_t reached = 1;
    for (std::size_t l : places) {
      if (loops_[l].*stride == 0 || reached >= wanted) return;
      const std::uint64_t others = tile() / chunks_[l], room = Kernel::kTileElements / others;
      const std::uint64_t size = loops_[l].size;
      const std::uint64_t most = std::min({size, room, (wanted + reached - 1) / reached});
      if (most > chunks_[l] && (chunks_[l] > 1 || inner() < Kernel::kMostLoops)) {
        // Parts of equal length, where that is possible.
        const std::uint64_t parts = (size + most - 1) / most, before = chunks_[l];
        chunks_[l] = std::max(before, (size + parts - 1) / parts);
        if (!within_reach()) chunks_[l] = before;
      }
      if (chunks_[l] < size && reached * chunks_[l] < wanted) return;  // no room for more
      reached *= chunks_[l];
    }
  }

  // Whether the offsets within a tile are numbers of 32 bits.
  bool within_reach() const {
    for (LoopStride stride : {&TensimCudaLoop::a, &TensimCudaLoop::b, &TensimCudaLoop::out}) {
      double reach = 0;
      for (std::size_t l = 0; l < loops_.size(); ++l) {
        reach += std::abs(static_cast<double>(loops_[l].*stride)) * static_cast<double>(chunks_[l] - 1);
      }
      if (reach > std::numeric_limits<std::int32_t>::max()) return false;
    }
    return true;
  }

  std::uint64_t tile() const {
    std::uint64_t product = 1;
    for (std::uint64_t chunk : chunks_) product *= chunk;
    return product;
  }
  std::size_t inner() const {
    return static_cast<std::size_t>(std::count_if(chunks_.begin(), chunks_.end(), [](auto c) { return c > 1; }));
  }

  static void add(typename Kernel::Arguments& task, const TensimCudaLoop& loop, std::uint64_t chunk) {
    const std::uint64_t parts = (loop.size + chunk - 1) / chunk;
    if (chunk > 1) {
      typename Kernel::Inner& inner = task.inner[task.inner_count++];
      inner = {static_cast<std::uint32_t>(chunk),
               task.outer.count,
               1,
               loop.size % chunk != 0,
               loop.size,
               loop.a,
               loop.b,
               loop.out};
    }
    if (parts == 1) return;
    const auto step = static_cast<std::int64_t>(chunk);
    task.outer.loops[task.outer.count++] = {parts, step * loop.a, step * loop.b, step * loop.out};
    task.tiles *= parts;
  }

  // The order in which an operand is read; whether that is the output's.
  static bool order(typename Kernel::Arguments& task, unsigned operand, std::int64_t Kernel::Inner::*stride) {
    std::uint8_t* const order = task.orders[operand];
    for (std::uint32_t n = 0; n < task.inner_count; ++n) order[n] = static_cast<std::uint8_t>(n);
    const auto rank = [&](std::uint8_t n) {
      const std::int64_t far = task.inner[n].*stride;
      return far == 0 ? std::numeric_limits<std::int64_t>::max() : std::abs(far);
    };
    const std::uint8_t fastest = task.inner_count > 0 ? order[task.inner_count - 1] : 0;
    std::stable_sort(order, order + task.inner_count, [&](auto x, auto y) { return rank(x) > rank(y); });
    // What does not go on along the fastest loop of the output is read once and broadcast.
    return task.inner_count == 0 || order[task.inner_count - 1] == fastest || task.inner[fastest].*stride == 0;
  }

  Runner<Device>& runner_;
  const Step<T>& step_;
  Loops loops_;
  std::vector<std::uint64_t> chunks_;
};

}  // namespace tensim::cuda
