#pragma once

#include <optional>

#include "../progress.h"
#include "network.h"
#include "take_over.h"

namespace tensim::cuda {

// A chain on a batch of inputs, some of them at a time: so many that the device is occupied, and so few that what lies
// between the layers fits and an abort is noticed soon. While the device has work, what it has done before is taken
// over.
template <class Device, class T>
class ForwardRun {
 public:
  ForwardRun(Device& device, const Layers<Device, T>& network, const TensimCudaInputs& inputs)
      : device_(device),
        network_(network),
        inputs_(inputs),
        progress_{inputs.report, inputs.context},
        rows_bytes_((network.chain.elements() + panel_width<T>(network.chain.width)) * sizeof(T)) {
    if (inputs.batch > 0 && (network.table.data() != nullptr) != (inputs.tokens != nullptr)) {
      throw DeviceError(TENSIM_CUDA_INVALID, "a network of tokens takes tokens, and no other does");
    }
    progress_.total = network.flops_per_row() * static_cast<double>(inputs.batch * network.positions);
  }

  // (batch, positions, outputs)
  void evaluate(T* results) {
    const std::uint64_t width = network_.outputs(), stride = padded(width);
    struct Pending {
      DeviceBuffer<Device, T> outputs;
      std::uint64_t first, rows;
      typename Device::Moment ended;
    };
    std::optional<Pending> before;
    const auto finish = [&](const Pending& ended) {
      take_over(device_, ended.outputs.data(), ended.rows, width, stride, ended.ended, results + ended.first * width);
      advance(ended.rows);
    };
    each_part(network_.positions * stride * sizeof(T), [&](std::uint64_t first, std::uint64_t count) {
      const std::uint64_t rows = count * network_.positions;
      Pending now{{device_, rows * stride}, first * network_.positions, rows, {}};
      go(first, count, now.outputs.data());
      now.ended = device_.moment();
      if (before) finish(*before);
      before = std::move(now);
    });
    if (before) finish(*before);
    end();
  }

  // The same as a vector of doubles on the device.
  std::unique_ptr<Model<Device>> keep(const TensimCudaKeeping& keeping, std::uint64_t& segment) {
    const std::uint64_t width = network_.outputs(), rows = inputs_.batch * network_.positions;
    const bool apart = keeping.per_output != 0;
    segment = aligned(apart ? rows : rows * width);
    auto model = std::make_unique<Model<Device>>();
    model->device = &device_;
    model->outputs = apart ? width : 1;
    model->length = model->outputs * segment;
    model->f64.vector = {device_, model->length};
    model->bytes = model->f64.vector.bytes();
    double* const vector = model->f64.vector.data();
    launch_each(device_, ClearTask{vector, model->outputs, segment, apart ? rows : rows * width});
    const DeviceBuffer<Device, double> roots(device_, keeping.roots, keeping.roots == nullptr ? 0 : inputs_.batch);
    // As it is, if it already lies so.
    const bool direct = sizeof(T) == sizeof(double) && !apart && keeping.roots == nullptr && padded(width) == width;
    typename Device::Moment before;
    std::uint64_t rows_before = 0;
    each_part(direct ? 0 : network_.positions * padded(width) * sizeof(T),
              [&](std::uint64_t first, std::uint64_t count) {
                const std::uint64_t own_rows = count * network_.positions, first_row = first * network_.positions;
                DeviceBuffer<Device, T> outputs;
                if (direct) {
                  go(first, count, reinterpret_cast<T*>(vector + first_row * width));
                } else {
                  outputs = {device_, own_rows * padded(width)};
                  go(first, count, outputs.data());
                  const OutputsTask<T> task{outputs.data(),
                                            keeping.roots == nullptr ? nullptr : roots.data() + first,
                                            vector + first_row * (apart ? 1 : width),
                                            count,
                                            network_.positions,
                                            width,
                                            apart ? 1 : width,
                                            apart ? segment : 1};
                  launch_each(device_, task);
                }
                auto now = device_.moment();
                if (rows_before > 0) before.wait();
                advance(rows_before);
                before = std::move(now);
                rows_before = own_rows;
              });
    if (rows_before > 0) before.wait();
    end();
    return model;
  }

 private:
  static std::uint64_t aligned(std::uint64_t size) {
    return (size + TENSIM_CUDA_ALIGN - 1) / TENSIM_CUDA_ALIGN * TENSIM_CUDA_ALIGN;
  }

  // f(first, count) for as many inputs at a time as are good; `more`: bytes that an input takes beside.
  template <class F>
  void each_part(std::uint64_t more, const F& f) {
    const double bytes = static_cast<double>(rows_bytes_ * network_.positions + more),
                 flops = network_.flops_per_row() * static_cast<double>(network_.positions);
    const double most = std::min(kWorkspaces * static_cast<double>(device_.limits.workspace_bytes) / bytes,
                                 device_.limits.flops / flops);
    const auto count = static_cast<std::uint64_t>(std::clamp(most, 1.0, 1e9 / static_cast<double>(network_.positions)));
    for (std::uint64_t first = 0; first < inputs_.batch; first += count) {
      progress_.report();
      f(first, std::min(count, inputs_.batch - first));
    }
  }

  // Launches all layers for some inputs, into `outputs`, (rows, outputs), padded.
  void go(std::uint64_t first, std::uint64_t count, T* outputs) {
    const std::uint64_t rows = count * network_.positions;
    const Room<Device, T> room(device_, network_.chain, rows);
    const auto& layers = network_.chain.layers;
    T *x = room.one.data(), *y = room.other.data();
    load(first * network_.positions, rows, x);
    if (layers.empty()) return launch_each(device_, UnpackTask<T>{x, outputs, rows, network_.chain.width});
    for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
      network_.run(device_, layers[i], {rows, x, y, room.wide.data(), room.joined.data()});
      std::swap(x, y);
    }
    network_.run_last(device_, layers.back(), {rows, x, outputs, room.wide.data(), room.joined.data()}, y);
  }

  void load(std::uint64_t first_row, std::uint64_t rows, T* x) {
    const std::uint64_t width = network_.chain.width, features = network_.features;
    if (inputs_.tokens != nullptr) {
      const DeviceBuffer<Device, std::int32_t> tokens(device_, inputs_.tokens + first_row, rows);
      launch_each(device_, GatherTask<T>{network_.table.data(), tokens.data(), x, rows, width});
    } else if (inputs_.single != 0) {
      load_vectors(static_cast<const float*>(inputs_.vectors) + first_row * features, rows, x);
    } else {
      load_vectors(static_cast<const double*>(inputs_.vectors) + first_row * features, rows, x);
    }
  }
  template <class From>
  void load_vectors(const From* from, std::uint64_t rows, T* x) {
    const std::uint64_t features = network_.features;
    const DeviceBuffer<Device, From> vectors(device_, from, rows * features);
    launch_each(device_, LoadTask<T, From>{vectors.data(), x, rows, features});
  }

  void advance(std::uint64_t rows) { progress_.advance(network_.flops_per_row() * static_cast<double>(rows)); }
  void end() {
    progress_.done = progress_.total;
    progress_.report();
  }

  // Working memory of the layers, in parts of what a launch may take: the narrow ones occupy the device only so.
  static constexpr double kWorkspaces = 4;

  Device& device_;
  const Layers<Device, T>& network_;
  const TensimCudaInputs& inputs_;
  Progress progress_;
  const std::uint64_t rows_bytes_;
};

}  // namespace tensim::cuda
