#pragma once

#include <vector>

#include "closure_plan.h"

namespace tensim::cuda {

// Plain multiply-adds and chains are slower than what the device's limits are made for, and take more memory.
template <class Device>
LaunchLimits closure_limits(const Device& device) {
  return {device.limits.flops / 5, 2 * device.limits.workspace_bytes};
}

// Tasks of one kind of all steps, on the device in one piece: no launch waits for the next one's tasks.
template <class Device, class Task>
class UploadedTasks {
 public:
  // `of` gives pointers to the lists of a step.
  template <class T, class Of>
  UploadedTasks(Device& device, const ClosurePlan<T>& plan, const Of& of) : device_(device) {
    std::vector<Task> all;
    std::vector<std::uint64_t> begins;
    for (const ClosureStep<T>& step : plan.steps) {
      for (const Tasks<Task>* list : of(step)) {
        all.insert(all.end(), list->tasks.begin(), list->tasks.end());
        begins.insert(begins.end(), list->first.begin(), list->first.end());
      }
    }
    tasks_ = {device, all};
    first_ = {device, begins};
  }
  template <class T>
  UploadedTasks(Device& device, const ClosurePlan<T>& plan, Tasks<Task> ClosureStep<T>::*list)
      : UploadedTasks(device, plan, [list](const ClosureStep<T>& step) { return std::vector{&(step.*list)}; }) {}

  // Lists are launched in the order of the upload.
  template <class Kernel>
  void launch(const Tasks<Task>& list) {
    const TaskList<Task> arguments{tasks_.data() + used_, first_.data() + used_,
                                   static_cast<std::uint32_t>(list.tasks.size())};
    used_ += list.tasks.size();
    if (list.blocks > 0) device_.template launch<Kernel>(list.blocks, arguments);
  }

 private:
  Device& device_;
  DeviceBuffer<Device, Task> tasks_;
  DeviceBuffer<Device, std::uint64_t> first_;
  std::uint64_t used_ = 0;
};

template <class Device, class T>
void launch_plan(Device& device, const ClosurePlan<T>& plan) {
  using Step = ClosureStep<T>;
  UploadedTasks<Device, GemmTask<T>> gemms(device, plan, &Step::gemms);
  UploadedTasks<Device, SquareTask<T>> squares(device, plan, &Step::squares);
  UploadedTasks<Device, ChainTask<T>> chains(device, plan, [](const Step& step) {
    return std::vector<const Tasks<ChainTask<T>>*>{&step.means, &step.moments, &step.chains, &step.sums};
  });
  UploadedTasks<Device, SliceTask<T>> slices(device, plan, &Step::slices);
  UploadedTasks<Device, TraceTask<T>> traces(device, plan, &Step::traces);
  UploadedTasks<Device, TwoBlockSliceTask<T>> two_block_slices(device, plan, &Step::two_block_slices);
  UploadedTasks<Device, RotaryTask<T>> turns(device, plan, &Step::turns);
  UploadedTasks<Device, MeanMapTask<T>> mean_maps(device, plan, &Step::mean_maps);
  UploadedTasks<Device, UnitMomentTask<T>> units(device, plan, &Step::unit_moments);
  UploadedTasks<Device, IdentityTask<T>> identities(device, plan, &Step::identities);
  UploadedTasks<Device, HeadTask<T>> heads(device, plan, [](const Step& step) {
    return std::vector<const Tasks<HeadTask<T>>*>{&step.head_moments, &step.head_slopes};
  });
  for (const Step& step : plan.steps) {
    gemms.template launch<GemmKernel<T>>(step.gemms);
    squares.template launch<SquareKernel<T>>(step.squares);
    chains.template launch<MeanKernel<T>>(step.means);
    chains.template launch<MomentKernel<T>>(step.moments);
    chains.template launch<ChainKernel<T>>(step.chains);
    chains.template launch<ChainSumKernel<T>>(step.sums);
    slices.template launch<SliceKernel<T>>(step.slices);
    traces.template launch<TraceKernel<T>>(step.traces);
    two_block_slices.template launch<TwoBlockSliceKernel<T>>(step.two_block_slices);
    turns.template launch<RotaryKernel<T>>(step.turns);
    mean_maps.template launch<MeanMapKernel<T>>(step.mean_maps);
    units.template launch<UnitMomentKernel<T>>(step.unit_moments);
    identities.template launch<IdentityKernel<T>>(step.identities);
    heads.template launch<HeadMomentKernel<T>>(step.head_moments);
    heads.template launch<HeadSlopeKernel<T>>(step.head_slopes);
  }
  // The task lists are given back after all that was launched.
}

}  // namespace tensim::cuda
