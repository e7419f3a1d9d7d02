#pragma once

#include <algorithm>
#include <vector>

#include "device.h"
#include "pack_kernel.h"

namespace tensim::cuda {

// The elements of one type of a model, on its device.
template <class Device, class T>
struct ModelData {
  DeviceBuffer<Device, typename TileProduct<T>::Chunk> panels;
  DeviceBuffer<Device, double> weights;
  DeviceBuffer<Device, T> vector;
};

template <class Device>
struct Model : TensimCudaModel {
  Device* device = nullptr;
  bool single = false;
  std::uint64_t depth = 0;
  std::uint64_t stages = 0;  // that the depth takes (tile_product.h)
  std::uint64_t outputs = 0, units = 0, length = 0;
  std::uint32_t panel_count = 0;
  ModelData<Device, double> f64;  // the one that `single` says is filled
  ModelData<Device, float> f32;

  template <class T>
  ModelData<Device, T>& of() {
    if constexpr (sizeof(T) == sizeof(double)) {
      return f64;
    } else {
      return f32;
    }
  }
  template <class T>
  const ModelData<Device, T>& of() const {
    return const_cast<Model*>(this)->template of<T>();
  }
};

inline std::uint64_t octets_of(std::uint64_t outputs) {
  return (outputs + kOctet - 1) / kOctet;
}

template <class T, class Device>
void fill(Device& device, const TensimCudaSource& source, Model<Device>& model) {
  ModelData<Device, T>& data = model.template of<T>();
  model.stages = std::max<std::uint64_t>(1, (model.depth + kStage<T> - 1) / kStage<T>);
  if (model.units > 0) {
    // As they come, and put into panels there: packing them here would take longer than the way.
    const std::size_t elements = model.units * model.depth;
    const DeviceBuffer<Device, double> left(device, source.left, elements), right(device, source.right, elements),
        down(device, source.down, model.outputs * model.units);
    const std::uint64_t steps = model.stages * kStageSteps, chunks = model.panel_count * steps * kStepChunks;
    data.panels = {device, chunks};
    device.template launch<PackRowsKernel<T>>(
        (chunks + PackRowsKernel<T>::kThreads - 1) / PackRowsKernel<T>::kThreads,
        {left.data(), right.data(), model.units, model.depth, steps, chunks, data.panels.data()});
    const std::uint64_t octets = octets_of(model.outputs), size = model.panel_count * octets * kOctet * kPanelUnits;
    data.weights = {device, size};
    if (size > 0) {
      device.template launch<PackWeightsKernel>(
          (size + PackWeightsKernel::kThreads - 1) / PackWeightsKernel::kThreads,
          {down.data(), model.units, model.outputs, octets, size, data.weights.data()});
    }
  }
  data.vector = {device, static_cast<const T*>(source.vector), source.length};
  model.bytes = data.panels.bytes() + data.weights.bytes() + data.vector.bytes();
}

template <class Device>
std::unique_ptr<Model<Device>> make_model(Device& device, const TensimCudaSource& source) {
  auto model = std::make_unique<Model<Device>>();
  model->device = &device;
  model->single = source.single != 0;
  model->depth = source.depth;
  model->outputs = source.outputs;
  model->units = source.units;
  model->length = source.length;
  const std::uint64_t panels = (source.units + kPanelUnits - 1) / kPanelUnits;
  if (panels > UINT32_MAX) throw DeviceError(TENSIM_CUDA_INVALID, "too many hidden units");
  model->panel_count = static_cast<std::uint32_t>(panels);
  if (model->single) {
    fill<float>(device, source, *model);
  } else {
    fill<double>(device, source, *model);
  }
  return model;
}

}  // namespace tensim::cuda
