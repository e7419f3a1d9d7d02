#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "../device.h"
#include "../model.h"
#include "attention_kernel.h"
#include "norm_kernel.h"
#include "row_kernels.h"

namespace tensim::cuda {

// A matrix and its bias on a device, of type T, its rows in panels.
template <class Device, class T>
struct DeviceMap {
  std::uint64_t outputs = 0, depth = 0;
  DeviceBuffer<Device, T> weight, bias;

  DeviceMap() = default;
  DeviceMap(Device& device, const TensimCudaMap& map) : outputs(map.outputs), depth(map.depth) {
    if (map.weight != nullptr) weight = rows_on<T>(device, map.weight, outputs, depth);
    if (map.bias != nullptr) bias = {device, static_cast<const T*>(map.bias), outputs};
  }
  bool has_weight() const { return weight.data() != nullptr; }
  std::size_t bytes() const { return weight.bytes() + bias.bytes(); }
  double flops() const { return has_weight() ? 2.0 * static_cast<double>(outputs) * static_cast<double>(depth) : 0; }

  template <class Element>
  static DeviceBuffer<Device, Element> rows_on(Device& device, const void* from, std::uint64_t rows,
                                               std::uint64_t width) {
    const DeviceBuffer<Device, Element> dense(device, static_cast<const Element*>(from), rows * width);
    DeviceBuffer<Device, Element> result(device, panel_size<Element>(rows, width));
    launch_each(device, LoadTask<Element, Element>{dense.data(), result.data(), rows, width});
    return result;
  }
};

template <class Device, class T>
struct DeviceLayer {
  TensimCudaLayerKind kind;
  DeviceMap<Device, T> map, down, skip;
  T alpha, beta, slope;
  ActivationKind activation;
  DeviceBuffer<Device, T> slopes, turns, mean, factor, shift;
  std::uint64_t heads, size;
  bool causal, centred;
  double epsilon;
  std::uint64_t shifts, outputs;

  DeviceLayer(Device& device, const TensimCudaLayer& layer, std::uint64_t positions)
      : kind(layer.kind),
        map(device, layer.map),
        down(device, layer.down),
        skip(device, layer.skip),
        alpha(static_cast<T>(layer.alpha)),
        beta(static_cast<T>(layer.beta)),
        slope(static_cast<T>(layer.slope)),
        activation(static_cast<ActivationKind>(layer.activation)),
        heads(layer.heads),
        size(layer.size),
        causal(layer.causal != 0),
        centred(layer.centred != 0),
        epsilon(layer.epsilon),
        shifts(layer.shifts),
        outputs(layer.down.weight != nullptr ? layer.down.outputs : units()) {
    if (layer.slopes != nullptr) slopes = {device, static_cast<const T*>(layer.slopes), units()};
    if (layer.mean != nullptr) mean = {device, static_cast<const T*>(layer.mean), units()};
    if (layer.factor != nullptr) factor = {device, static_cast<const T*>(layer.factor), units()};
    if (layer.shift != nullptr) shift = {device, static_cast<const T*>(layer.shift), shifts * units()};
    if (layer.turns != nullptr) turns = {device, static_cast<const T*>(layer.turns), positions * size};
  }

  bool pairs() const { return kind == TENSIM_CUDA_BILINEAR || kind == TENSIM_CUDA_GATED; }
  // In front of D, if there is one.
  std::uint64_t units() const {
    return kind == TENSIM_CUDA_ATTENTION ? heads * size : pairs() ? map.outputs / 2 : map.outputs;
  }
  // Of a row of the two intermediates.
  std::uint64_t wide() const {
    const bool some =
        kind == TENSIM_CUDA_ATTENTION || kind == TENSIM_CUDA_GATED || (kind == TENSIM_CUDA_HIDDEN && down.has_weight());
    return some ? map.outputs : 0;
  }
  std::uint64_t joined() const {
    const bool none = kind == TENSIM_CUDA_HIDDEN || !down.has_weight();
    return none ? 0 : units();
  }
  std::size_t bytes() const { return map.bytes() + down.bytes() + skip.bytes() + slopes.bytes() + turns.bytes(); }
  double flops_per_row(std::uint64_t positions) const {
    const double scores =
        kind == TENSIM_CUDA_ATTENTION ? 6.0 * static_cast<double>(units()) * static_cast<double>(positions) : 0;
    return map.flops() + down.flops() + skip.flops() + scores + static_cast<double>(units());
  }
};

// Rows on their way through the layers.
template <class T>
struct Rows {
  std::uint64_t count;
  const T* x;
  T *y, *wide, *joined;
};

// A chain of layers on a device, in one of the element types.
template <class Device, class T>
struct Layers {
  std::uint64_t positions = 1, features = 0, width = 0;  // width: of what goes into the first layer
  DeviceBuffer<Device, T> table;
  std::vector<DeviceLayer<Device, T>> layers;

  Layers(Device& device, const TensimCudaNetwork& network)
      : positions(network.positions), features(network.features), width(network.features) {
    if (network.table != nullptr) {
      width = network.width;
      table = {device, static_cast<const T*>(network.table), features * width};
    }
    layers.reserve(network.layer_count);
    for (std::uint64_t i = 0; i < network.layer_count; ++i) {
      check(network.layers[i], i == 0 ? width : layers.back().outputs, positions);
      layers.emplace_back(device, network.layers[i], positions);
    }
  }

  std::uint64_t outputs() const { return layers.empty() ? width : layers.back().outputs; }
  std::size_t bytes() const {
    std::size_t sum = table.bytes();
    for (const auto& layer : layers) sum += layer.bytes();
    return sum;
  }
  double flops_per_row() const {
    double sum = 1;
    for (const auto& layer : layers) sum += layer.flops_per_row(positions);
    return sum;
  }
  // The most elements of a row that `of` tells.
  template <class Of>
  std::uint64_t most(const Of& of) const {
    std::uint64_t result = 0;
    for (const auto& layer : layers) result = std::max(result, panel_width<T>(of(layer)));
    return result;
  }

  // The last layer of a chain: y lies row after row, padded (map_kernel.h). `spare` has room for it in panels.
  void run_last(Device& device, const DeviceLayer<Device, T>& layer, const Rows<T>& rows, T* spare) const {
    if (layer.kind == TENSIM_CUDA_LINEAR) return apply(device, layer.map, rows.count, rows.x, rows.y, MapEnd::kRows);
    run(device, layer, {rows.count, rows.x, spare, rows.wide, rows.joined});
    launch_each(device, UnpackTask<T>{spare, rows.y, rows.count, layer.outputs});
  }

  // All others: x and y lie in panels.
  void run(Device& device, const DeviceLayer<Device, T>& layer, const Rows<T>& rows) const {
    const T* const residual = layer.alpha != T(0) ? rows.x : nullptr;
    switch (layer.kind) {
      case TENSIM_CUDA_LINEAR:
        return apply(device, layer.map, rows.count, rows.x, rows.y);
      case TENSIM_CUDA_ACTIVATION:
        return units(device, layer, {rows.x, rows.y, rows.count}, false, nullptr);
      case TENSIM_CUDA_NORM: {
        const NormTask<T> task{rows.x,
                               rows.y,
                               rows.count,
                               layer.units(),
                               layer.centred ? 1u : 0u,
                               layer.epsilon,
                               layer.factor.data(),
                               layer.shift.data()};
        return device.template launch<NormKernel<T>>(NormKernel<T>::blocks(task), task);
      }
      case TENSIM_CUDA_SHIFT:
        return launch_each(device, ShiftTask<T>{rows.x, rows.y, rows.count, layer.units(), layer.shifts,
                                                layer.mean.data(), layer.factor.data(), layer.shift.data()});
      case TENSIM_CUDA_BILINEAR: {
        MapTask<T> task = task_of(layer.map, rows.count, rows.x, rows.joined);
        task.end = MapEnd::kProduct;
        if (!layer.down.has_weight()) {
          task.y = rows.y;
          task.behind = layer.down.bias.data();
          task.residual = residual;
          task.alpha = layer.alpha;
          task.beta = layer.beta;
        }
        launch(device, task);
        return behind(device, layer, rows, rows.joined, residual);
      }
      case TENSIM_CUDA_ATTENTION: {
        MapTask<T> task = task_of(layer.map, rows.count, rows.x, rows.wide);
        task.end = MapEnd::kRows;
        if (layer.turns.data() != nullptr) {
          task.end = MapEnd::kTurned;
          task.turns = layer.turns.data();
          task.turned = 4 * layer.units();
          task.size = layer.size;
          task.positions = positions;
        }
        launch(device, task);
        const AttendTask<T> attend{rows.wide,  rows.joined,           rows.count, positions, layer.heads,
                                   layer.size, layer.causal ? 1u : 0u};
        device.template launch<AttendKernel<T>>(AttendKernel<T>::blocks(attend), attend);
        return behind(device, layer, rows, rows.joined, residual);
      }
      case TENSIM_CUDA_HIDDEN: {
        T* const values = layer.down.has_weight() ? rows.wide : rows.y;
        apply(device, layer.map, rows.count, rows.x, values);
        units(device, layer, {values, values, rows.count}, !layer.down.has_weight(), residual);
        return behind(device, layer, rows, values, residual);
      }
      case TENSIM_CUDA_GATED: {
        T* const values = layer.down.has_weight() ? rows.joined : rows.y;
        apply(device, layer.map, rows.count, rows.x, rows.wide, MapEnd::kRows);
        units(device, layer, {rows.wide, values, rows.count}, !layer.down.has_weight(), residual);
        return behind(device, layer, rows, values, residual);
      }
    }
  }

 private:
  static void check(const TensimCudaLayer& layer, std::uint64_t width, std::uint64_t positions) {
    const auto fail = [] { throw DeviceError(TENSIM_CUDA_INVALID, "the layers of a network do not fit each other"); };
    const bool attention = layer.kind == TENSIM_CUDA_ATTENTION;
    const bool pairs = layer.kind == TENSIM_CUDA_BILINEAR || layer.kind == TENSIM_CUDA_GATED;
    if (layer.map.depth != width || layer.map.outputs == 0) fail();
    const bool shift = layer.kind == TENSIM_CUDA_SHIFT;
    if ((layer.map.weight == nullptr) !=
        (layer.kind == TENSIM_CUDA_ACTIVATION || layer.kind == TENSIM_CUDA_NORM || shift)) {
      fail();
    }
    if (shift && (layer.shift == nullptr || (layer.mean == nullptr) != (layer.factor == nullptr))) fail();
    if (layer.shift != nullptr && layer.shifts != 1 && (!shift || layer.shifts != positions)) fail();
    if (attention && (layer.down.weight == nullptr || layer.map.outputs != 5 * layer.heads * layer.size)) fail();
    if (layer.turns != nullptr && layer.size % 2 != 0) fail();
    if (pairs && layer.map.outputs % 2 != 0) fail();
    const std::uint64_t units = attention ? layer.heads * layer.size : layer.map.outputs / (pairs ? 2 : 1);
    if (layer.down.weight != nullptr && layer.down.depth != units) fail();
    const std::uint64_t outputs = layer.down.weight != nullptr ? layer.down.outputs : units;
    if (layer.down.bias != nullptr && layer.down.outputs != outputs) fail();
    if (layer.skip.weight != nullptr && (layer.skip.depth != width || layer.skip.outputs != outputs)) fail();
    if (layer.alpha != 0 && outputs != width) fail();
  }

  static MapTask<T> task_of(const DeviceMap<Device, T>& map, std::uint64_t rows, const T* x, T* y) {
    MapTask<T> task{};
    task.x = x;
    task.weight = map.weight.data();
    task.bias = map.bias.data();
    task.y = y;
    task.rows = rows;
    task.columns = map.outputs;
    task.depth = map.depth;
    task.end = MapEnd::kPanels;
    task.beta = T(1);
    return task;
  }
  static void launch(Device& device, const MapTask<T>& task) {
    const std::uint64_t blocks = std::min(task.tiles(), device.processors());
    switch (task.end) {
      case MapEnd::kPanels:
        return device.template launch<MapKernel<T, MapEnd::kPanels>>(blocks, task);
      case MapEnd::kRows:
        return device.template launch<MapKernel<T, MapEnd::kRows>>(blocks, task);
      case MapEnd::kProduct:
        return device.template launch<MapKernel<T, MapEnd::kProduct>>(blocks, task);
      case MapEnd::kTurned:
        return device.template launch<MapKernel<T, MapEnd::kTurned>>(blocks, task);
    }
  }
  static void apply(Device& device, const DeviceMap<Device, T>& map, std::uint64_t rows, const T* x, T* y,
                    MapEnd end = MapEnd::kPanels) {
    MapTask<T> task = task_of(map, rows, x, y);
    task.end = end;
    launch(device, task);
  }

  struct Through {
    const T* z;
    T* y;
    std::uint64_t count;
  };
  // φ of units; with what is behind them, where no D is.
  static void units(Device& device, const DeviceLayer<Device, T>& layer, const Through& rows, bool last,
                    const T* residual) {
    UnitsTask<T> task{};
    task.z = rows.z;
    task.y = rows.y;
    task.rows = rows.count;
    task.width = layer.units();
    task.kind = layer.activation;
    task.slope = layer.slope;
    task.slopes = layer.slopes.data();
    task.gated = layer.kind == TENSIM_CUDA_GATED ? 1 : 0;
    task.behind = last ? layer.down.bias.data() : nullptr;
    task.residual = last ? residual : nullptr;
    task.alpha = layer.alpha;
    task.beta = last ? layer.beta : T(1);
    launch_each(device, task);
  }

  // D, the residual and S, as far as they are there.
  static void behind(Device& device, const DeviceLayer<Device, T>& layer, const Rows<T>& rows, const T* units,
                     const T* residual) {
    if (layer.down.has_weight()) {
      MapTask<T> task = task_of(layer.down, rows.count, units, rows.y);
      task.residual = residual;
      task.alpha = layer.alpha;
      task.beta = layer.beta;
      launch(device, task);
    }
    if (!layer.skip.has_weight()) return;
    MapTask<T> task = task_of(layer.skip, rows.count, rows.x, rows.y);
    task.residual = rows.y;
    task.alpha = T(1);
    launch(device, task);
  }
};

template <class Device>
struct Network : TensimCudaForward {
  Device* device = nullptr;
  std::unique_ptr<Layers<Device, double>> f64;  // one of the two
  std::unique_ptr<Layers<Device, float>> f32;

  // f(layers) of the type that they have.
  template <class F>
  void visit(const F& f) const {
    if (f64) {
      f(*f64);
    } else {
      f(*f32);
    }
  }
};

template <class Device>
std::unique_ptr<Network<Device>> make_network(Device& device, const TensimCudaNetwork& source) {
  auto network = std::make_unique<Network<Device>>();
  network->device = &device;
  if (source.single != 0) {
    network->f32 = std::make_unique<Layers<Device, float>>(device, source);
  } else {
    network->f64 = std::make_unique<Layers<Device, double>>(device, source);
  }
  network->visit([&](const auto& layers) { network->bytes = layers.bytes(); });
  return network;
}

}  // namespace tensim::cuda
