#pragma once

#include <algorithm>
#include <list>
#include <utility>
#include <vector>

#include "../../core/error.h"
#include "../../cuda/interface.h"
#include "../../layers/layer.h"
#include "../../model/image.h"
#include "../../model/norm.h"
#include "../../model/rotary.h"
#include "../../model/softmax_attention.h"

namespace tensim {

// Layers as the library takes them, and the memory that their parts lie in until it has copied them.
template <class T>
class CudaForwardSource {
 public:
  // `single` as the interface has it, of T.
  CudaForwardSource(std::int32_t single, const std::vector<LayerView>& layers, std::size_t positions,
                    std::size_t features, bool tokens) {
    network_.single = single;
    network_.positions = positions;
    network_.features = features;
    outputs_ = features;
    if (tokens) {
      const auto& embedding = std::get<LinearView>(layers.front());
      network_.width = outputs_ = embedding.outputs();
      network_.table = table(embedding, features);
    }
    network_.chain = chain({layers.begin() + (tokens ? 1 : 0), layers.end()}, positions);
    if (!layers.empty()) outputs_ = std::visit([](const auto& view) { return view.outputs(); }, layers.back());
  }
  CudaForwardSource(const CudaForwardSource&) = delete;
  CudaForwardSource& operator=(const CudaForwardSource&) = delete;

  const TensimCudaNetwork& network() const { return network_; }
  std::size_t outputs() const { return outputs_; }

 private:
  using Order = std::vector<std::pair<const MatrixView*, std::size_t>>;  // rows of matrices

  TensimCudaSequence chain(const std::vector<LayerView>& layers, std::size_t positions) {
    std::vector<TensimCudaLayer> made;
    for (const LayerView& layer : layers) made.push_back(made_of(layer, positions));
    const std::vector<TensimCudaLayer>& kept = layers_.emplace_back(std::move(made));
    return {kept.size(), kept.data()};
  }

  TensimCudaLayer made_of(const LayerView& layer, std::size_t positions) {
    TensimCudaLayer made{};
    made.beta = 1;
    const Overload convert{
        [&](const LinearView& view) {
          made.kind = TENSIM_CUDA_LINEAR;
          made.map = map(view.weight, view.bias, view.outputs());
        },
        [&](const BilinearView& view) {
          made.kind = TENSIM_CUDA_BILINEAR;
          made.map = alternating(view.left, view.left_bias, view.right, view.right_bias);
          behind(view, made);
        },
        [&](const AttentionView& view) { attention(view, positions, made); },
        [&](const ActivationView& view) {
          made.kind = TENSIM_CUDA_ACTIVATION;
          made.map.outputs = made.map.depth = view.width();
          units(view, view.width(), made);
        },
        [&](const HiddenView& view) {
          made.kind = TENSIM_CUDA_HIDDEN;
          made.map = map(view.weight, view.bias, view.units());
          units(view, view.units(), made);
          behind(view, made);
          made.skip = map(view.skip, {}, view.outputs());
        },
        [&](const GatedView& view) {
          made.kind = TENSIM_CUDA_GATED;
          made.map = alternating(view.gate, view.gate_bias, view.up, view.up_bias);
          units(view, view.units(), made);
          behind(view, made);
          made.skip = map(view.skip, {}, view.outputs());
        },
        [&](const RmsNormView& view) { norm(view, false, made); },
        [&](const LayerNormView& view) { norm(view, true, made); },
        [&](const BatchNormView& view) { batch_norm(view, made); },
        [&](const PositionsView& view) {
          if (view.weight.rows < positions) throw Error("SHAPE_MISMATCH", "there are more positions than were learned");
          shift(view.width(), positions, made);
          std::vector<T>& added = fresh(positions * view.width());
          for (std::size_t s = 0; s < positions; ++s) copy_row(view.weight, s, added.data() + s * view.width());
          made.shift = added.data();
        },
        [&](const SoftmaxAttentionView& view) { softmax(view, positions, made); },
        [&](const ConvolutionView& view) {
          made.kind = TENSIM_CUDA_CONVOLUTION;
          made.map = map(view.weight, view.bias, view.weight.rows);
          images(view, view.groups, made);
        },
        [&](const PoolView& view) {
          made.kind = TENSIM_CUDA_POOL;
          made.map.outputs = made.map.depth = view.width();
          images(view, 1, made);
          made.largest = view.largest ? 1 : 0;
          made.count_padding = view.count_padding ? 1 : 0;
        },
        [&](const ParallelView& view) {
          made.kind = TENSIM_CUDA_PARALLEL;
          made.map.outputs = view.outputs();
          made.map.depth = view.width();
          made.alpha = view.alpha;
          made.beta = view.beta;
          std::vector<TensimCudaSequence> chains;
          for (const auto& branch : view.branches->chains) chains.push_back(chain(branch, positions));
          const std::vector<TensimCudaSequence>& kept = branches_.emplace_back(std::move(chains));
          made.branch_count = kept.size();
          made.branches = kept.data();
        },
    };
    std::visit(convert, layer);
    return made;
  }

  void softmax(const SoftmaxAttentionView& view, std::size_t positions, TensimCudaLayer& made) {
    made.kind = TENSIM_CUDA_SOFTMAX;
    made.heads = view.heads;
    made.shared_heads = view.kv_heads;
    made.size = view.size();
    made.value_size = view.value_size();
    made.causal = view.causal ? 1 : 0;
    made.window = view.window;
    made.scale = view.scale;
    made.softcap = view.softcap;
    made.turning = view.turning;
    made.interleaved = view.interleaved ? 1 : 0;
    const std::vector<T> turns = softmax_turns<T>(view, positions), falls = softmax_falls<T>(view);
    if (!turns.empty()) made.turns = keep(turns);
    if (!falls.empty()) made.falls = keep(falls);
    made.epsilon = view.norm_epsilon;
    if (!absent(view.q_norm)) made.query_gain = gain(view.q_norm, view.norm_offset, made.query_part);
    if (!absent(view.k_norm)) made.key_gain = gain(view.k_norm, view.norm_offset, made.key_part);
    Order rows, entries;
    const auto add = [&](const MatrixView& matrix, const MatrixView& bias) {
      for (std::size_t row = 0; row < matrix.rows; ++row) {
        rows.emplace_back(&matrix, row);
        entries.emplace_back(&bias, row);
      }
    };
    add(view.q, view.q_bias);
    add(view.k, view.k_bias);
    add(view.v, view.v_bias);
    made.map = map(rows, entries, view.width());
    made.down = map(view.o, view.o_bias, view.outputs());
    made.alpha = view.alpha;
    made.beta = view.beta;
  }
  const T* gain(const MatrixView& norm, double offset, std::uint64_t& part) {
    part = norm.rows;
    return keep(gains<T>(norm, norm.rows, offset));
  }

  template <class View>
  static void images(const View& view, std::size_t groups, TensimCudaLayer& made) {
    made.channels = view.channels;
    made.groups = groups;
    const Windows& from = view.windows;
    TensimCudaWindows& to = made.windows;
    for (unsigned axis = 0; axis < 2; ++axis) {
      to.input[axis] = from.input[axis];
      to.kernel[axis] = from.kernel[axis];
      to.stride[axis] = from.stride[axis];
      to.padding[axis] = from.padding[axis];
      to.dilation[axis] = from.dilation[axis];
      to.output[axis] = from.output[axis];
    }
  }

  void attention(const AttentionView& view, std::size_t positions, TensimCudaLayer& made) {
    made.kind = TENSIM_CUDA_ATTENTION;
    made.heads = view.heads;
    made.size = view.inner() / view.heads;
    made.causal = view.causal ? 1 : 0;
    const bool rotary = view.rotary_base > 0;
    if (rotary) made.turns = keep(rotations<T>(positions, made.size, view.rotary_base));
    // The features that a rotation turns together are put beside each other, in queries and keys alike.
    const auto feature = [&](std::size_t row) {
      const std::size_t head = row / made.size * made.size, i = row % made.size;
      return head + i / 2 + i % 2 * (made.size / 2);
    };
    const auto matrices = view.projections(), biases = view.projection_biases();
    Order rows, entries;
    for (std::size_t m = 0; m < matrices.size(); ++m) {
      for (std::size_t row = 0; row < view.inner(); ++row) {
        const std::size_t from = rotary && m + 1 < matrices.size() ? feature(row) : row;
        rows.emplace_back(&matrices[m], from);
        entries.emplace_back(&biases[m], from);
      }
    }
    made.map = map(rows, entries, view.width());
    made.down = map(view.o, view.o_bias, view.outputs());
    made.alpha = view.alpha;
    made.beta = view.beta;
  }

  template <bool Centred>
  void norm(const NormView<Centred>& view, bool centred, TensimCudaLayer& made) {
    made.kind = TENSIM_CUDA_NORM;
    made.map.outputs = made.map.depth = view.width();
    made.centred = centred ? 1 : 0;
    made.epsilon = view.epsilon;
    made.shifts = 1;
    if (!absent(view.weight)) made.factor = keep(gains<T>(view.weight, view.width(), view.offset));
    if (!absent(view.bias)) made.shift = keep(gains<T>(view.bias, view.width(), 0));
  }

  void batch_norm(const BatchNormView& view, TensimCudaLayer& made) {
    shift(view.width(), 1, made);
    const BatchNormPass<T> pass(view);
    const auto spread = [&](const std::vector<T>& channels) {
      std::vector<T>& all = fresh(view.width());
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = channels[i / view.area];
      return all.data();
    };
    made.mean = spread(pass.mean);
    made.factor = spread(pass.factor);
    made.shift = spread(pass.bias);
  }

  static void shift(std::size_t width, std::size_t positions, TensimCudaLayer& made) {
    made.kind = TENSIM_CUDA_SHIFT;
    made.map.outputs = made.map.depth = width;
    made.shifts = positions;
  }

  template <class View>
  void units(const View& view, std::size_t count, TensimCudaLayer& made) {
    made.activation = static_cast<std::int32_t>(view.activation.kind);
    made.slope = view.activation.slope;
    if (!absent(view.slopes)) made.slopes = column(view.slopes, count);
  }

  template <class View>
  void behind(const View& view, TensimCudaLayer& made) {
    made.down = map(view.down, view.down_bias, view.outputs());
    made.alpha = view.alpha;
    made.beta = view.beta;
  }

  TensimCudaMap map(const MatrixView& weight, const MatrixView& bias, std::size_t outputs) {
    TensimCudaMap made{outputs, absent(weight) ? 0 : weight.columns, nullptr, nullptr};
    if (!absent(weight)) {
      std::vector<T>& to = fresh(outputs * weight.columns);
      for (std::size_t row = 0; row < outputs; ++row) copy_row(weight, row, to.data() + row * weight.columns);
      made.weight = to.data();
    }
    if (!absent(bias)) made.bias = column(bias, outputs);
    return made;
  }
  TensimCudaMap map(const Order& rows, const Order& biases, std::size_t depth) {
    std::vector<T>& weight = fresh(rows.size() * depth);
    for (std::size_t i = 0; i < rows.size(); ++i) copy_row(*rows[i].first, rows[i].second, weight.data() + i * depth);
    TensimCudaMap made{rows.size(), depth, weight.data(), nullptr};
    if (std::all_of(biases.begin(), biases.end(), [](const auto& entry) { return absent(*entry.first); })) return made;
    std::vector<T>& bias = fresh(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto& [vector, entry] = biases[i];
      bias[i] = absent(*vector) ? T(0) : static_cast<T>(element(*vector, entry));
    }
    made.bias = bias.data();
    return made;
  }
  TensimCudaMap alternating(const MatrixView& one, const MatrixView& one_bias, const MatrixView& other,
                            const MatrixView& other_bias) {
    Order rows, biases;
    for (std::size_t row = 0; row < one.rows; ++row) {
      rows.insert(rows.end(), {{&one, row}, {&other, row}});
      biases.insert(biases.end(), {{&one_bias, row}, {&other_bias, row}});
    }
    return map(rows, biases, one.columns);
  }

  // W e_t + b of every token t.
  const T* table(const LinearView& layer, std::size_t tokens) {
    const std::size_t width = layer.outputs();
    std::vector<T>& table = fresh(tokens * width);
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t i = 0; i < width; ++i) {
        const T weight = static_cast<T>(element(layer.weight, i, t));
        table[t * width + i] = absent(layer.bias) ? weight : weight + static_cast<T>(element(layer.bias, i));
      }
    }
    return table.data();
  }

  const T* column(const MatrixView& view, std::size_t size) {
    std::vector<T>& to = fresh(size);
    for (std::size_t i = 0; i < size; ++i) to[i] = static_cast<T>(element(view, i));
    return to.data();
  }
  static void copy_row(const MatrixView& matrix, std::size_t row, T* to) {
    visit(matrix, [&](const auto* data) {
      const auto* from = data + static_cast<std::ptrdiff_t>(row) * matrix.row_stride;
      for (std::size_t i = 0; i < matrix.columns; ++i)
        to[i] = static_cast<T>(from[static_cast<std::ptrdiff_t>(i) * matrix.column_stride]);
    });
  }
  const T* keep(std::vector<T> values) { return kept_.emplace_back(std::move(values)).data(); }
  std::vector<T>& fresh(std::size_t size) { return kept_.emplace_back(size); }

  TensimCudaNetwork network_{};
  std::size_t outputs_ = 0;
  std::list<std::vector<TensimCudaLayer>> layers_;  // of every chain
  std::list<std::vector<TensimCudaSequence>> branches_;
  std::list<std::vector<T>> kept_;  // stays where it is as it grows
};

}  // namespace tensim
