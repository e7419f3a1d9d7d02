#pragma once

#include <algorithm>
#include <vector>

#include "device.h"
#include "pair_kernel.h"

namespace tensim::cuda {

// The elements of one type of a model, on its device.
template <class Device, class T>
struct ModelData {
  DeviceBuffer<Device, T> panels;
  DeviceBuffer<Device, double> weights;
  DeviceBuffer<Device, T> vector;
};

template <class Device>
struct Model : TensimCudaModel {
  Device* device = nullptr;
  bool single = false;
  std::uint64_t depth = 0;         // as given
  std::uint64_t padded_depth = 0;  // a multiple of kSteps
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

// L and R in panels (pair_kernel.h).
template <class T>
std::vector<T> pack_panels(const TensimCudaSource& source, std::uint64_t panel_count, std::uint64_t padded_depth) {
  std::vector<T> panels(panel_count * padded_depth * kPanelRows, T(0));
  for (std::uint64_t unit = 0; unit < source.units; ++unit) {
    T* const panel = panels.data() + unit / kPanelUnits * padded_depth * kPanelRows + 2 * (unit % kPanelUnits);
    for (std::uint64_t k = 0; k < source.depth; ++k) {
      panel[k * kPanelRows] = static_cast<T>(source.left[unit * source.depth + k]);
      panel[k * kPanelRows + 1] = static_cast<T>(source.right[unit * source.depth + k]);
    }
  }
  return panels;
}

inline std::vector<double> pack_weights(const TensimCudaSource& source, std::uint64_t panel_count) {
  std::vector<double> weights(panel_count * source.outputs * kPanelUnits, 0.0);
  for (std::uint64_t unit = 0; unit < source.units; ++unit) {
    double* const panel = weights.data() + unit / kPanelUnits * source.outputs * kPanelUnits + unit % kPanelUnits;
    for (std::uint64_t c = 0; c < source.outputs; ++c) panel[c * kPanelUnits] = source.down[c * source.units + unit];
  }
  return weights;
}

template <class T, class Device>
void fill(Device& device, const TensimCudaSource& source, Model<Device>& model) {
  ModelData<Device, T>& data = model.template of<T>();
  data.panels = {device, pack_panels<T>(source, model.panel_count, model.padded_depth)};
  data.weights = {device, pack_weights(source, model.panel_count)};
  const T* const vector = static_cast<const T*>(source.vector);
  data.vector = {device, std::vector<T>(vector, vector + source.length)};
  model.bytes = data.panels.bytes() + data.weights.bytes() + data.vector.bytes();
}

template <class Device>
std::unique_ptr<Model<Device>> make_model(Device& device, const TensimCudaSource& source) {
  auto model = std::make_unique<Model<Device>>();
  model->device = &device;
  model->single = source.single != 0;
  model->depth = source.depth;
  model->padded_depth = (source.depth + kSteps - 1) / kSteps * kSteps;
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
