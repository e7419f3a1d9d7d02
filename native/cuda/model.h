#pragma once

#include <algorithm>
#include <vector>

#include "device.h"
#include "form_kernel.h"
#include "pack_kernel.h"

namespace tensim::cuda {

// The elements of one type of a model, on its device.
template <class Device, class T>
struct ModelData {
  DeviceBuffer<Device, PiecePair<T>> panels;
  DeviceBuffer<Device, double> weights;
  DeviceBuffer<Device, T> vector;
};

template <class Device>
struct Model : TensimCudaModel {
  Device* device = nullptr;
  bool single = false, tf32 = false;
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

// Blocks of so many threads.
template <class Kernel>
std::uint64_t blocks_for(std::uint64_t threads) {
  return (threads + Kernel::kThreads - 1) / Kernel::kThreads;
}

// L, R and D as they come; what becomes of them is made on the device, where it takes less time than the way there.
template <class Device>
struct Factors {
  DeviceBuffer<Device, double> left, right, down;

  Factors(Device& device, const TensimCudaSource& source)
      : left(device, source.left, source.units * source.depth),
        right(device, source.right, source.units * source.depth),
        down(device, source.down, source.outputs * source.units) {}
};

template <class T, class Device>
void fill_panels(Device& device, const TensimCudaSource& source, Model<Device>& model, ModelData<Device, T>& data) {
  const std::uint64_t panels = (source.units + kPanelUnits - 1) / kPanelUnits;
  if (panels > UINT32_MAX) throw DeviceError(TENSIM_CUDA_INVALID, "too many hidden units");
  model.panel_count = static_cast<std::uint32_t>(panels);
  model.units = source.units;
  model.depth = source.depth;
  model.stages = std::max<std::uint64_t>(1, (source.depth + kStage<T> - 1) / kStage<T>);
  if (panels == 0) return;
  const Factors<Device> factors(device, source);
  const std::uint64_t steps = model.stages * kStageSteps<T>, pairs = panels * steps * kStepPairs<T>;
  data.panels = {device, pairs};
  device.template launch<PackRowsKernel<T>>(blocks_for<PackRowsKernel<T>>(pairs),
                                            {factors.left.data(), factors.right.data(), source.units, source.units,
                                             source.depth, source.depth, 1, steps, pairs, data.panels.data()});
  const std::uint64_t octets = octets_of(source.outputs), size = panels * octets * kOctet * kPanelUnits;
  if (size == 0) return;
  data.weights = {device, size};
  device.template launch<PackWeightsKernel>(
      blocks_for<PackWeightsKernel>(size),
      {factors.down.data(), source.units, source.outputs, octets, size, data.weights.data()});
}

template <class T, class Device>
void fill_forms(Device& device, const TensimCudaSource& source, ModelData<Device, T>& data) {
  const std::uint64_t size = source.depth * (source.depth + 1) / 2, stride = source.form_stride;
  if (stride < size + source.depth || (source.length != 0 && source.length != source.outputs * source.depth)) {
    throw DeviceError(TENSIM_CUDA_INVALID, "the parts of a form do not fit");
  }
  if (source.outputs == 0 || stride == 0) return;
  data.vector = {device, source.outputs * stride};
  const Factors<Device> factors(device, source);
  const DeviceBuffer<Device, T> linear(device, static_cast<const T*>(source.vector), source.length);
  if (size > 0) {
    device.template launch<FormKernel<T>>(
        FormKernel<T>::blocks(source.depth, source.outputs),
        {factors.left.data(), factors.right.data(), factors.down.data(), source.units, source.depth, source.outputs,
         FormKernel<T>::tiles_of(source.depth), stride, data.vector.data()});
  }
  const std::uint64_t tail = stride - size;
  if (tail == 0) return;
  device.template launch<FormTailKernel<T>>(
      blocks_for<FormTailKernel<T>>(source.outputs * tail),
      {linear.data(), source.depth, source.outputs, size, stride, data.vector.data()});
}

template <class T, class Device>
void fill(Device& device, const TensimCudaSource& source, Model<Device>& model) {
  ModelData<Device, T>& data = model.template of<T>();
  if (source.form_stride > 0) {
    fill_forms(device, source, data);
    model.length = source.outputs * source.form_stride;
  } else {
    fill_panels(device, source, model, data);
    data.vector = {device, static_cast<const T*>(source.vector), source.length};
    model.length = source.length;
  }
  model.bytes = data.panels.bytes() + data.weights.bytes() + data.vector.bytes();
}

template <class Device>
std::unique_ptr<Model<Device>> make_model(Device& device, const TensimCudaSource& source) {
  auto model = std::make_unique<Model<Device>>();
  model->device = &device;
  model->single = source.single != 0;
  model->tf32 = source.single == TENSIM_CUDA_TF32;
  model->outputs = source.outputs;
  if (model->single) {
    fill<float>(device, source, *model);
  } else {
    fill<double>(device, source, *model);
  }
  return model;
}

}  // namespace tensim::cuda
