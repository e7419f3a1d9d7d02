#pragma once

#include <memory>
#include <vector>

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
        limits_{device.limits.flops / 5, 2 * device.limits.workspace_bytes},
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
    launch(plan);
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

  // Tasks of one kind of all steps, on the device in one piece: no launch waits for the next one's tasks.
  template <class Task>
  struct Uploaded {
    DeviceBuffer<Device, Task> tasks;
    DeviceBuffer<Device, std::uint64_t> first;
    std::uint64_t used = 0;

    template <class Of>
    Uploaded(Device& device, const ClosurePlan<T>& plan, const Of& of) {
      std::vector<Task> all;
      std::vector<std::uint64_t> begins;
      for (const ClosureStep<T>& step : plan.steps) {
        for (const Tasks<Task>* list : of(step)) {
          all.insert(all.end(), list->tasks.begin(), list->tasks.end());
          begins.insert(begins.end(), list->first.begin(), list->first.end());
        }
      }
      tasks = {device, all};
      first = {device, begins};
    }
    // Those of the next list, in the order of the upload.
    TaskList<Task> take(const Tasks<Task>& list) {
      const std::uint64_t at = used;
      used += list.tasks.size();
      return {tasks.data() + at, first.data() + at, static_cast<std::uint32_t>(list.tasks.size())};
    }
  };

  template <class Kernel, class Task>
  void launch_list(const Tasks<Task>& list, Uploaded<Task>& uploaded) {
    const TaskList<Task> arguments = uploaded.take(list);
    if (list.blocks > 0) device_.template launch<Kernel>(list.blocks, arguments);
  }

  void launch(const ClosurePlan<T>& plan) {
    using Step = ClosureStep<T>;
    using ChainLists = std::vector<const Tasks<ChainTask<T>>*>;
    Uploaded<GemmTask<T>> gemms(device_, plan, [](const Step& step) { return std::vector{&step.gemms}; });
    Uploaded<SquareTask<T>> squares(device_, plan, [](const Step& step) { return std::vector{&step.squares}; });
    Uploaded<ChainTask<T>> chains(device_, plan, [](const Step& step) {
      return ChainLists{&step.means, &step.moments, &step.chains, &step.sums};
    });
    Uploaded<SliceTask<T>> slices(device_, plan, [](const Step& step) { return std::vector{&step.slices}; });
    Uploaded<TraceTask<T>> traces(device_, plan, [](const Step& step) { return std::vector{&step.traces}; });
    Uploaded<TwoBlockSliceTask<T>> two_block_slices(
        device_, plan, [](const Step& step) { return std::vector{&step.two_block_slices}; });
    for (const Step& step : plan.steps) {
      launch_list<GemmKernel<T>>(step.gemms, gemms);
      launch_list<SquareKernel<T>>(step.squares, squares);
      launch_list<MeanKernel<T>>(step.means, chains);
      launch_list<MomentKernel<T>>(step.moments, chains);
      launch_list<ChainKernel<T>>(step.chains, chains);
      launch_list<ChainSumKernel<T>>(step.sums, chains);
      launch_list<SliceKernel<T>>(step.slices, slices);
      launch_list<TraceKernel<T>>(step.traces, traces);
      launch_list<TwoBlockSliceKernel<T>>(step.two_block_slices, two_block_slices);
    }
    // The task lists are given back after all that was launched.
  }

  Device& device_;
  // Plain multiply-adds and chains are slower than what the device's limits are made for, and take more memory.
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
