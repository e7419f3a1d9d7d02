#pragma once

#include <algorithm>
#include <vector>

#include "../device.h"
#include "fit.h"
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
struct Sequence;

template <class Device, class T>
struct DeviceLayer {
  TensimCudaLayerKind kind;
  DeviceMap<Device, T> map, down, skip;
  T alpha, beta, slope;
  ActivationKind activation;
  DeviceBuffer<Device, T> slopes, turns, mean, factor, shift, falls, query_gain, key_gain;
  std::uint64_t heads, size;
  bool causal, centred;
  double epsilon;
  std::uint64_t shifts;
  // What is plain data of softmax attention and images; its pointers are the host's.
  TensimCudaLayer source;
  std::vector<Sequence<Device, T>> branches;
  std::uint64_t outputs;

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
        source(layer),
        outputs(outputs_of(layer)) {
    const auto put = [&](DeviceBuffer<Device, T>& to, const void* from, std::uint64_t count) {
      if (from != nullptr) to = {device, static_cast<const T*>(from), count};
    };
    const bool softmax = kind == TENSIM_CUDA_SOFTMAX;
    put(slopes, layer.slopes, units());
    put(mean, layer.mean, units());
    put(factor, layer.factor, units());
    put(shift, layer.shift, shifts * units());
    put(turns, layer.turns, positions * (softmax ? layer.turning : size));
    put(falls, layer.falls, heads);
    put(query_gain, layer.query_gain, layer.query_part);
    put(key_gain, layer.key_gain, layer.key_part);
    for (std::uint64_t i = 0; i < layer.branch_count; ++i)
      branches.emplace_back(device, layer.branches[i], layer.map.depth, positions);
  }

  // In front of D, if there is one.
  std::uint64_t units() const { return units_of(source); }
  // Windows of an image.
  std::uint64_t windows() const { return source.windows.output[0] * source.windows.output[1]; }
  // Images of whose windows whole rows are made and multiplied; where there are groups, their sums are short.
  bool unfolds() const { return kind == TENSIM_CUDA_CONVOLUTION && source.groups == 1; }

  // Of a row of the two intermediates.
  std::uint64_t wide() const {
    if (unfolds()) return windows() * panel_width<T>(map.depth);
    const bool some = kind == TENSIM_CUDA_ATTENTION || kind == TENSIM_CUDA_SOFTMAX || kind == TENSIM_CUDA_GATED ||
                      (kind == TENSIM_CUDA_HIDDEN && down.has_weight());
    return some ? map.outputs : 0;
  }
  std::uint64_t joined() const {
    if (unfolds()) return windows() * padded(map.outputs);
    const bool none = kind == TENSIM_CUDA_HIDDEN || !down.has_weight();
    return none ? 0 : units();
  }
  // What branches take beside.
  std::uint64_t inside() const {
    std::uint64_t most = 0;
    for (const auto& branch : branches) most = std::max(most, branch.elements());
    return most;
  }
  std::size_t bytes() const {
    std::size_t sum = map.bytes() + down.bytes() + skip.bytes() + slopes.bytes() + turns.bytes() + falls.bytes() +
                      query_gain.bytes() + key_gain.bytes();
    for (const auto& branch : branches) sum += branch.bytes();
    return sum;
  }
  double flops_per_row(std::uint64_t positions) const {
    const auto number = [](std::uint64_t count) { return static_cast<double>(count); };
    double sum = map.flops() + down.flops() + skip.flops() + number(units());
    if (kind == TENSIM_CUDA_ATTENTION) sum += 6 * number(units()) * number(positions);
    if (kind == TENSIM_CUDA_SOFTMAX) sum += 2 * number(heads * (size + source.value_size + 8) * positions);
    if (kind == TENSIM_CUDA_CONVOLUTION) sum = 2 * number(outputs) * number(map.depth);
    if (kind == TENSIM_CUDA_POOL) sum = number(outputs * source.windows.kernel[0] * source.windows.kernel[1]);
    for (const auto& branch : branches) sum += branch.flops_per_row(positions);
    return sum;
  }
};

// Layers one after the other on a device.
template <class Device, class T>
struct Sequence {
  std::uint64_t width;  // of what goes into the first layer
  std::vector<DeviceLayer<Device, T>> layers;

  Sequence(Device& device, const TensimCudaSequence& chain, std::uint64_t width, std::uint64_t positions)
      : width(width) {
    layers.reserve(chain.layer_count);
    for (std::uint64_t i = 0; i < chain.layer_count; ++i) {
      check_fit(chain.layers[i], outputs(), positions);
      layers.emplace_back(device, chain.layers[i], positions);
    }
  }

  std::uint64_t outputs() const { return layers.empty() ? width : layers.back().outputs; }
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& layer : layers) sum += layer.bytes();
    return sum;
  }
  double flops_per_row(std::uint64_t positions) const {
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
  // Of a row of what goes in or comes out.
  std::uint64_t widest() const {
    return std::max(most([](const auto& layer) { return layer.outputs; }), panel_width<T>(width));
  }
  std::uint64_t wide() const {
    return most([](const auto& layer) { return layer.wide(); });
  }
  std::uint64_t joined() const {
    return most([](const auto& layer) { return layer.joined(); });
  }
  // Working memory of a row, in elements.
  std::uint64_t elements() const {
    return 2 * widest() + wide() + joined() + most([](const auto& layer) { return layer.inside(); });
  }
};

}  // namespace tensim::cuda
