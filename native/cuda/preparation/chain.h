#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "../closure_launch.h"
#include "plan.h"

namespace tensim::cuda {

// A chain, uploaded and prepared on its device.
template <class Device, class T>
class ChainMaker {
 public:
  ChainMaker(Device& device, const TensimCudaChain& source, Chain<Device>& chain)
      : device_(device), source_(source), chain_(chain) {}

  void run() {
    copy_factors<T>(source_, chain_);
    if (source_.means == nullptr) return;
    const double* const offset = copy<double>(source_.offset, source_.width);
    make_room(offset == nullptr);
    const ChainFactors<T>& factors = chain_.template of<T>();
    const Operand<T> front{factors.front, source_.inputs, 1, 0};
    const LaunchLimits limits = closure_limits(device_);
    DeviceSystems<Device> systems(device_);
    DeviceBuffer<Device, unsigned char> memory;
    ClosurePlan<T> measured, plan;
    DeviceMeans means;
    for (ClosurePlan<T>* each : {&measured, &plan}) {
      each->begin(memory.data());
      ClosurePreparation<Device, T> preparation(*each, systems, limits, source_.positions);
      means = preparation.plan(factors.stages, inputs_, front, source_.width, source_.inputs, offset);
      if (each == &measured) memory = {device_, measured.bytes};
    }
    launch_plan(device_, plan);
    const std::uint64_t count = (means.alike ? 1 : source_.positions) * means.width;
    std::fill_n(source_.means, count, 0.0);
    const auto ended = device_.moment();
    if (means.data == nullptr) return ended.wait();
    const HostBuffer<Device, double> found(device_.download(means.data, count * sizeof(double), ended));
    std::copy_n(found.data(), count, source_.means);
  }

 private:
  // For as long as the chain is prepared.
  template <class Element>
  const Element* copy(const void* from, std::uint64_t count) {
    if (from == nullptr || count == 0) return nullptr;
    DeviceBuffer<Device, unsigned char> buffer(device_, static_cast<const unsigned char*>(from),
                                               count * sizeof(Element));
    memory_.push_back(std::move(buffer));
    return reinterpret_cast<const Element*>(memory_.back().data());
  }

  // Reads what the stages are prepared from, and allocates what is made of it. Whether something is zero is decided
  // here, by what adds to it, so that nobody waits for numbers from the device.
  void make_room(bool no_means) {
    const std::uint64_t n = source_.positions, kinds = kKinds;
    bool alike = true;
    std::vector<ChainStage<T>>& stages = chain_.template of<T>().stages;
    for (std::size_t i = 0; i < stages.size(); ++i) {
      const TensimCudaStage& from = source_.stages[i];
      ChainStage<T>& stage = stages[i];
      const std::uint64_t rows = kinds * stage.inner();
      StageInputs<T> inputs;
      inputs.alpha = from.alpha;
      inputs.beta = from.beta;
      inputs.bias = copy<double>(from.bias, stage.outputs);
      inputs.unit_bias = copy<double>(from.unit_bias, 2 * stage.units);
      inputs.projection_bias = copy<double>(from.projection_bias, rows);
      inputs.turns = copy<double>(from.turns, n * (stage.size / 2) * 2);
      inputs.after_bias = copy<double>(from.after_bias, stage.after_rows);
      inputs.weights = copy<T>(from.weights, rows * stage.width);
      if (stage.attention) {
        stage.independent = alike;
        stage.projection = chain_.template allocate<T>(n * rows * stage.width);
        stage.own = chain_.template allocate<T>(n * (alike ? 1 : n) * rows * kinds * stage.size);
        no_means = no_means && inputs.projection_bias == nullptr;
        if (!no_means) stage.means = chain_.template allocate<T>(n * rows);
        stage.jacobian = chain_.template allocate<T>(n * stage.outputs * n * stage.width);
        no_means = no_means && inputs.bias == nullptr;
        alike = false;
      } else {
        const bool still = no_means && inputs.unit_bias == nullptr && stage.alpha == 0;
        stage.slopes = still ? 0 : alike ? 1 : n;
        stage.jacobian = chain_.template allocate<T>(stage.outputs * stage.jacobian_row());
        no_means = false;
      }
      no_means = no_means && inputs.after_bias == nullptr;
      inputs_.push_back(inputs);
    }
  }

  Device& device_;
  const TensimCudaChain& source_;
  Chain<Device>& chain_;
  std::vector<StageInputs<T>> inputs_;
  std::vector<DeviceBuffer<Device, unsigned char>> memory_;
};

template <class Device>
std::unique_ptr<Chain<Device>> make_chain(Device& device, const TensimCudaChain& source) {
  auto chain = std::make_unique<Chain<Device>>();
  chain->begin(device, PairKind::kChain, source.single != 0, source.inputs, source.outputs);
  chain->positions = source.positions;
  chain->width = source.width;
  chain->front_factor = source.front_factor;
  chain->factor = source.factor;
  if (chain->single) {
    ChainMaker<Device, float>(device, source, *chain).run();
  } else {
    ChainMaker<Device, double>(device, source, *chain).run();
  }
  return chain;
}

}  // namespace tensim::cuda
