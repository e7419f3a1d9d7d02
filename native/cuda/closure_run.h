#pragma once

#include <memory>
#include <vector>

#include "closure_launch.h"
#include "closure_pair.h"
#include "progress.h"
#include "two_block/pair.h"

namespace tensim::cuda {

// The products of a tile of chains (interface.h, TensimCudaClosureTile), in groups of pairs that are planned and
// launched together, and at least one pair each. What shares a group does not change a result. `Pair` plans one.
template <class Device, class T, template <class, class> class Pair>
class ClosureRun {
  using Model = typename Pair<Device, T>::Model;

 public:
  ClosureRun(Device& device, const TensimCudaClosureTile& tile)
      : device_(device),
        limits_(closure_limits(device)),
        tile_(tile),
        progress_{tile.report, tile.context},
        rows_(models(tile.rows, tile.row_count)),
        columns_(models(tile.columns, tile.column_count)),
        outputs_(rows_.front()->outputs),
        systems_(device) {
    for (const auto* list : {&rows_, &columns_}) {
      for (const Model* model : *list) check(*rows_.front(), *model);
    }
    for (std::uint64_t i = 0; i < rows_.size(); ++i) {
      for (std::uint64_t j = tile_.symmetric != 0 ? i : 0; j < columns_.size(); ++j) {
        ClosurePlan<T> plan;
        plan.begin(nullptr);
        Pair<Device, T>(plan, systems_, limits_, *rows_[i], *columns_[j]).plan(nullptr);
        places_.push_back({i, j, plan.flops, plan.bytes});
        progress_.total += plan.flops;
      }
    }
  }

  void run() {
    progress_.report();
    for (std::size_t begin = 0; begin < places_.size();) {
      std::size_t end = begin;
      double flops = 0;
      std::uint64_t bytes = 0;
      do {
        flops += places_[end].flops;
        bytes += places_[end].bytes;
        ++end;
      } while (end < places_.size() && flops + places_[end].flops <= limits_.flops &&
               bytes + places_[end].bytes <= kGroupPerLaunch * limits_.workspace_bytes);
      compute(begin, end, bytes);
      progress_.advance(flops);
      begin = end;
    }
    progress_.done = progress_.total;
    progress_.report();
  }

 private:
  // A group is many launches that share the memory of its pairs: it may take so many times what a launch may.
  static constexpr std::uint64_t kGroupPerLaunch = 4;

  struct Place {
    std::uint64_t row, column;
    double flops;
    std::uint64_t bytes;
  };

  static std::vector<const Model*> models(const TensimCudaClosure* const* list, std::uint64_t count) {
    std::vector<const Model*> result;
    for (std::uint64_t i = 0; i < count; ++i) result.push_back(static_cast<const Model*>(list[i]));
    return result;
  }

  static void check(const Model& first, const Model& model) {
    if (Pair<Device, T>::fits(first, model)) return;
    throw DeviceError(TENSIM_CUDA_INVALID, "the chains of a tile differ in device, element type, sizes or blocks");
  }

  // Kept from group to group, for allocating waits for the device.
  unsigned char* memory(std::uint64_t bytes) {
    if (bytes > memory_.bytes()) {
      memory_ = {};
      memory_ = {device_, bytes};
    }
    return memory_.data();
  }

  void compute(std::size_t begin, std::size_t end, std::uint64_t bytes) {
    unsigned char* base = memory(bytes);
    const DeviceBuffer<Device, double> slices(device_, (end - begin) * outputs_);
    ClosurePlan<T> plan;
    for (std::size_t p = begin; p < end; ++p) {
      plan.begin(base);
      Pair<Device, T>(plan, systems_, limits_, *rows_[places_[p].row], *columns_[places_[p].column])
          .plan(slices.data() + (p - begin) * outputs_);
      base += places_[p].bytes;
    }
    launch_plan(device_, plan);
    const HostBuffer<Device, double> found = slices.download(device_, device_.moment());
    for (std::size_t p = begin; p < end; ++p) {
      const double* const from = found.data() + (p - begin) * outputs_;
      const std::uint64_t at = places_[p].row * columns_.size() + places_[p].column;
      double total = 0;
      for (std::uint64_t c = 0; c < outputs_; ++c) total += from[c];
      tile_.total[at] = total;
      if (tile_.slices != nullptr) std::copy_n(from, outputs_, tile_.slices + at * outputs_);
    }
  }

  Device& device_;
  const LaunchLimits limits_;
  const TensimCudaClosureTile& tile_;
  Progress progress_;
  const std::vector<const Model*> rows_, columns_;
  const std::uint64_t outputs_;
  DeviceSystems<Device> systems_;
  std::vector<Place> places_;
  DeviceBuffer<Device, unsigned char> memory_;
};

}  // namespace tensim::cuda
