#pragma once

#include <memory>
#include <utility>

#include "../model.h"
#include "attention_kernel.h"
#include "image_kernels.h"
#include "layer.h"
#include "norm_kernel.h"
#include "softmax_kernel.h"

namespace tensim::cuda {

// Rows on their way through the layers.
template <class T>
struct Rows {
  std::uint64_t count;
  const T* x;
  T *y, *wide, *joined;
};

// The working memory of a chain for so many rows.
template <class Device, class T>
struct Room {
  DeviceBuffer<Device, T> one, other, wide, joined;

  Room(Device& device, const Sequence<Device, T>& chain, std::uint64_t rows)
      : one(device, panels_of(rows) * kPanelRows * chain.widest()),
        other(device, panels_of(rows) * kPanelRows * chain.widest()),
        wide(device, panels_of(rows) * kPanelRows * chain.wide()),
        joined(device, panels_of(rows) * kPanelRows * chain.joined()) {}
};

// A network on a device, in one of the element types.
template <class Device, class T>
struct Layers {
  std::uint64_t positions = 1, features = 0;
  bool tf32 = false;
  DeviceBuffer<Device, T> table;
  Sequence<Device, T> chain;

  Layers(Device& device, const TensimCudaNetwork& network)
      : positions(network.positions),
        features(network.features),
        tf32(network.single == TENSIM_CUDA_TF32),
        chain(device, network.chain, network.table == nullptr ? features : network.width, positions) {
    if (network.table != nullptr) table = {device, static_cast<const T*>(network.table), features * network.width};
  }

  std::uint64_t outputs() const { return chain.outputs(); }
  std::size_t bytes() const { return table.bytes() + chain.bytes(); }
  double flops_per_row() const { return chain.flops_per_row(positions); }

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
                               layer.shift.data(),
                               {}};
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
      case TENSIM_CUDA_SOFTMAX:
        attend_softly(device, layer, rows);
        return behind(device, layer, rows, rows.joined, residual);
      case TENSIM_CUDA_CONVOLUTION:
        return convolve(device, layer, rows);
      case TENSIM_CUDA_POOL:
        return launch_each(device, PoolTask<T>{rows.x, rows.y, rows.count, layer.source.channels, layer.source.windows,
                                               layer.source.largest != 0, layer.source.count_padding != 0});
      case TENSIM_CUDA_PARALLEL:
        return branch(device, layer, rows);
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
  void launch(Device& device, const MapTask<T>& task) const {
    if constexpr (sizeof(T) < sizeof(double)) {
      if (tf32) return launch_as<true>(device, task);
    }
    launch_as<false>(device, task);
  }
  template <bool kTf32>
  static void launch_as(Device& device, const MapTask<T>& task) {
    const std::uint64_t blocks = std::min(task.tiles(), device.processors());
    switch (task.end) {
      case MapEnd::kPanels:
        return device.template launch<MapKernel<T, MapEnd::kPanels, kTf32>>(blocks, task);
      case MapEnd::kRows:
        return device.template launch<MapKernel<T, MapEnd::kRows, kTf32>>(blocks, task);
      case MapEnd::kProduct:
        return device.template launch<MapKernel<T, MapEnd::kProduct, kTf32>>(blocks, task);
      case MapEnd::kTurned:
        return device.template launch<MapKernel<T, MapEnd::kTurned, kTf32>>(blocks, task);
    }
  }
  void apply(Device& device, const DeviceMap<Device, T>& map, std::uint64_t rows, const T* x, T* y,
             MapEnd end = MapEnd::kPanels) const {
    MapTask<T> task = task_of(map, rows, x, y);
    task.end = end;
    launch(device, task);
  }

  // Queries, keys and values of all heads, their norms and turns, and what queries make of them.
  void attend_softly(Device& device, const DeviceLayer<Device, T>& layer, const Rows<T>& rows) const {
    const TensimCudaLayer& own = layer.source;
    apply(device, layer.map, rows.count, rows.x, rows.wide, MapEnd::kRows);
    const std::uint64_t queries = own.heads * own.size, keys = own.shared_heads * own.size;
    const auto normalise = [&](std::uint64_t first, std::uint64_t width, std::uint64_t part,
                               const DeviceBuffer<Device, T>& gain) {
      if (part == 0) return;
      const std::uint64_t parts = width / part;
      const HeadNorm<T> task{rows.wide,   rows.wide, rows.count * parts,
                             part,        0u,        own.epsilon,
                             gain.data(), nullptr,   {parts, padded(layer.map.outputs), first}};
      using Kernel = NormKernel<T, PartsOfRows>;
      device.template launch<Kernel>(Kernel::blocks(task), task);
    };
    normalise(0, queries, own.query_part, layer.query_gain);
    normalise(queries, keys, own.key_part, layer.key_gain);
    if (layer.turns.data() != nullptr) {
      launch_each(device,
                  TurnTask<T>{rows.wide, layer.turns.data(), rows.count, positions, own.heads + own.shared_heads,
                              own.size, own.turning, own.interleaved != 0, padded(layer.map.outputs)});
    }
    const SoftTask<T> task{rows.wide,
                           rows.joined,
                           rows.count,
                           positions,
                           own.heads,
                           own.shared_heads,
                           own.size,
                           own.value_size,
                           own.window,
                           own.causal != 0 ? 1u : 0u,
                           static_cast<T>(own.scale),
                           static_cast<T>(own.softcap),
                           layer.falls.data()};
    device.template launch<SoftKernel<T>>(SoftKernel<T>::blocks(task), task);
  }

  void convolve(Device& device, const DeviceLayer<Device, T>& layer, const Rows<T>& rows) const {
    const TensimCudaLayer& own = layer.source;
    if (!layer.unfolds()) {
      return launch_each(device, ConvolveTask<T>{rows.x, layer.map.weight.data(), layer.map.bias.data(), rows.y,
                                                 rows.count, own.channels, own.groups, layer.map.outputs, own.windows});
    }
    const std::uint64_t windows = layer.windows(), all = rows.count * windows;
    launch_each(device, PatchesTask<T>{rows.x, rows.wide, all, own.channels, own.windows});
    apply(device, layer.map, all, rows.wide, rows.joined, MapEnd::kRows);
    launch_each(device, ByChannelTask<T>{rows.joined, rows.y, rows.count, layer.map.outputs, windows});
  }

  // α x + β Σ_k F_k(x): one branch after the other, in memory that they share.
  void branch(Device& device, const DeviceLayer<Device, T>& layer, const Rows<T>& rows) const {
    for (std::size_t k = 0; k < layer.branches.size(); ++k) {
      const Sequence<Device, T>& chain = layer.branches[k];
      const Room<Device, T> room(device, chain, rows.count);
      const T* x = rows.x;
      T *y = room.one.data(), *next = room.other.data();
      for (const auto& inner : chain.layers) {
        run(device, inner, {rows.count, x, y, room.wide.data(), room.joined.data()});
        x = y;
        std::swap(y, next);
      }
      const bool last = k + 1 == layer.branches.size();
      launch_each(device,
                  AddTask<T>{x, rows.y, panel_size<T>(rows.count, layer.outputs), k == 0,
                             last && layer.alpha != T(0) ? rows.x : nullptr, layer.alpha, last ? layer.beta : T(1)});
    }
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
  void behind(Device& device, const DeviceLayer<Device, T>& layer, const Rows<T>& rows, const T* units,
              const T* residual) const {
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
