// Networks of random weights that a forward pass on a GPU is compared with the native one on.
#pragma once

#include <algorithm>
#include <cmath>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "addon/cuda/forward.h"
#include "check.h"
#include "model/forward.h"

namespace tensim::test {

// Layers with random weights, of which each is as wide as the one before gives.
class Network {
 public:
  Network(Random& random, std::size_t positions, std::size_t features)
      : positions(positions), features(features), random_(random), width_(features) {}

  Network& linear(std::size_t outputs, bool biased) {
    LinearView view;
    view.weight = matrix(outputs, width_);
    if (biased) view.bias = matrix(outputs, 1);
    return push(view);
  }
  Network& bilinear(std::size_t units, std::size_t outputs, bool biased, bool residual) {
    BilinearView view;
    view.left = matrix(units, width_);
    view.right = matrix(units, width_);
    if (outputs != 0) view.down = matrix(outputs, units);
    if (biased) view.left_bias = matrix(units, 1);
    if (biased) view.down_bias = matrix(view.outputs(), 1);
    view.alpha = residual ? 0.5 : 0;
    view.beta = residual ? 0.75 : 1;
    return push(view);
  }
  Network& attention(std::size_t heads, std::size_t size, std::size_t outputs, bool causal, bool rotary, bool biased) {
    AttentionView view;
    const std::size_t inner = heads * size;
    for (MatrixView* part : {&view.q1, &view.k1, &view.q2, &view.k2, &view.v}) *part = matrix(inner, width_);
    view.o = matrix(outputs, inner);
    if (biased) {
      for (MatrixView* bias : {&view.q1_bias, &view.k2_bias, &view.v_bias}) *bias = matrix(inner, 1);
      view.o_bias = matrix(outputs, 1);
    }
    view.heads = heads;
    view.causal = causal;
    view.rotary_base = rotary ? 100 : 0;
    view.alpha = outputs == width_ ? 1 : 0;
    view.beta = 0.35;
    return push(view);
  }
  Network& activation(ActivationKind kind) {
    ActivationView view;
    view.features = width_;
    units(view, kind, width_);
    return push(view);
  }
  Network& hidden(std::size_t units_count, std::size_t outputs, ActivationKind kind, bool residual, bool skip) {
    HiddenView view;
    view.weight = matrix(units_count, width_);
    view.bias = matrix(units_count, 1);
    behind(view, outputs, residual, skip);
    units(view, kind, units_count);
    return push(view);
  }
  Network& gated(std::size_t units_count, std::size_t outputs, ActivationKind kind, bool residual, bool skip) {
    GatedView view;
    view.gate = matrix(units_count, width_);
    view.up = matrix(units_count, width_);
    view.up_bias = matrix(units_count, 1);
    behind(view, outputs, residual, skip);
    units(view, kind, units_count);
    return push(view);
  }

  template <class View>
  Network& norm(bool weighted, bool biased) {
    View view;
    view.features = width_;
    if (weighted) view.weight = matrix(width_, 1);
    if (biased) view.bias = matrix(width_, 1);
    view.epsilon = 1e-5;
    view.offset = 0.5;
    return push(view);
  }
  Network& batch_norm(std::size_t area) {
    BatchNormView view;
    view.area = area;
    view.mean = matrix(width_ / area, 1);
    view.variance = matrix(width_ / area, 1);
    for (double& variance : weights_.back()) variance = 1.5 + variance;
    view.weight = matrix(width_ / area, 1);
    view.epsilon = 1e-3;
    return push(view);
  }
  Network& positions_added(std::size_t learned) {
    PositionsView view;
    view.weight = matrix(learned, width_);
    return push(view);
  }

  // Of softmax attention, what is there beside queries, keys, values and outputs.
  struct Softmax {
    std::size_t heads = 2, kv_heads = 1, size = 4, value_size = 3, outputs = 5;
    bool causal = false, interleaved = false, biased = false, frequencies = false;
    std::size_t window = 0, turning = 0, norm = 0;  // norm: heads that share one; 0: none
    double softcap = 0, alibi = 0;
  };
  Network& softmax(const Softmax& own) {
    SoftmaxAttentionView view;
    view.q = matrix(own.heads * own.size, width_);
    view.k = matrix(own.kv_heads * own.size, width_);
    view.v = matrix(own.kv_heads * own.value_size, width_);
    view.o = matrix(own.outputs, own.heads * own.value_size);
    if (own.biased) {
      view.q_bias = matrix(view.q.rows, 1);
      view.v_bias = matrix(view.v.rows, 1);
      view.o_bias = matrix(view.o.rows, 1);
    }
    if (own.norm > 0) {
      view.q_norm = matrix(own.norm * own.size, 1);
      view.k_norm = matrix(own.norm > 1 ? view.k.rows : own.size, 1);
    }
    view.heads = own.heads;
    view.kv_heads = own.kv_heads;
    view.causal = own.causal;
    view.window = own.window;
    view.scale = 1.5;
    view.softcap = own.softcap;
    view.turning = own.turning;
    view.interleaved = own.interleaved;
    view.rotary_base = own.turning > 0 ? 100 : 0;
    view.rotary_scaling = 2;
    if (own.frequencies) {
      view.frequencies = matrix(own.turning / 2, 1);
      view.rotary_factor = 1.25;
    }
    view.alibi = own.alibi;
    view.norm_epsilon = 1e-5;
    view.norm_offset = 0.5;
    view.alpha = own.outputs == width_ ? 1 : 0;
    view.beta = 0.35;
    return push(view);
  }
  Network& convolution(const Windows& windows, std::size_t channels, std::size_t outputs, std::size_t groups,
                       bool biased) {
    ConvolutionView view;
    view.windows = windows;
    view.channels = channels;
    view.groups = groups;
    view.weight = matrix(outputs, channels / groups * windows.places());
    if (biased) view.bias = matrix(outputs, 1);
    return push(view);
  }
  Network& pool(const Windows& windows, std::size_t channels, bool largest, bool count_padding) {
    PoolView view;
    view.windows = windows;
    view.channels = channels;
    view.largest = largest;
    view.count_padding = count_padding;
    return push(view);
  }
  // Branches that all begin where the network is, each made by one of these, and give as many numbers.
  template <class... Makers>
  Network& parallel(bool residual, const Makers&... makers) {
    const std::size_t width = width_;
    std::vector<LayerView> before = std::move(layers);
    auto branches = std::make_shared<Branches>();
    const auto make = [&](const auto& maker) {
      layers.clear();
      width_ = width;
      maker(*this);
      branches->chains.push_back(std::move(layers));
    };
    (make(makers), ...);
    layers = std::move(before);
    ParallelView view;
    view.branches = branches;
    view.takes = width;
    view.gives = width_;
    view.alpha = residual ? 1 : 0;
    view.beta = 0.75;
    return push(view);
  }

  std::size_t outputs() const { return width_; }
  // (batch, positions, features)
  std::vector<double> vectors(std::size_t batch) { return random_.vector<double>(batch * positions * features); }
  std::vector<std::int32_t> tokens(std::size_t batch) {
    std::vector<std::int32_t> result(batch * positions);
    for (std::int32_t& token : result) token = static_cast<std::int32_t>(random_.index(features));
    return result;
  }

  const std::size_t positions, features;
  std::vector<LayerView> layers;

 private:
  template <class View>
  Network& push(const View& view) {
    layers.push_back(view);
    width_ = view.outputs();
    return *this;
  }
  template <class View>
  void units(View& view, ActivationKind kind, std::size_t count) {
    view.activation = {kind, 0.2};
    if (kind == ActivationKind::kPrelu) view.slopes = matrix(count, 1);
  }
  template <class View>
  void behind(View& view, std::size_t outputs, bool residual, bool skip) {
    const std::size_t width = width_;
    if (outputs != 0) view.down = matrix(outputs, view.units());
    view.down_bias = matrix(view.outputs(), 1);
    if (skip) view.skip = matrix(view.outputs(), width);
    view.alpha = residual ? 0.5 : 0;
    view.beta = 0.75;
  }
  MatrixView matrix(std::size_t rows, std::size_t columns) {
    weights_.push_back(random_.vector<double>(rows * columns));
    for (double& weight : weights_.back()) weight /= std::sqrt(static_cast<double>(columns));
    return MatrixView::row_major(weights_.back().data(), rows, columns);
  }

  Random& random_;
  std::size_t width_;
  std::list<std::vector<double>> weights_;  // stays where it is as it grows
};

inline MatrixView column(const std::vector<double>& values) {
  return MatrixView::row_major(values.data(), values.size(), 1);
}

template <class T>
std::vector<T> native_outputs(const Context& context, Network& network, const CudaInputs& inputs) {
  const ForwardPass<T> pass(context, network.layers, network.positions, network.features, inputs.tokens != nullptr);
  std::vector<T> results(inputs.batch * network.positions * network.outputs());
  if (inputs.tokens != nullptr) {
    pass.evaluate(context, inputs.tokens, inputs.batch, results.data());
  } else {
    pass.evaluate(context, inputs.vectors, inputs.batch, results.data());
  }
  return results;
}

template <class T>
CudaForwardPointer prepared(const TensimCudaApi& api, const Network& network, bool tokens) {
  return prepare_cuda_forward(api, 0, DTypeOf<T>::value, network.layers, network.positions, network.features, tokens);
}

template <class T>
double largest(const std::vector<T>& values) {
  double most = 1e-300;
  for (const T value : values) most = std::max(most, std::abs(static_cast<double>(value)));
  return most;
}

}  // namespace tensim::test
