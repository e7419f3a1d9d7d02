#pragma once

#include <string>
#include <vector>

#include "../../layers/layer.h"
#include "../arguments.h"

namespace tensim::addon {

// One layer of a chain while it is read.
struct LayerReader {
  Napi::Env env;
  Napi::Object object;
  std::string where;  // "layer 3: "
  AsyncCall& call;
  std::size_t depth = 0;  // layers that it lies within

  MatrixView matrix(const char* name) const;
  // A bias, or an absent view.
  MatrixView bias(const char* name, std::size_t size) const;
  // A part of `size` elements that must be there.
  MatrixView column(const char* name, std::size_t size) const;
  // A tensor of two axes or more as a matrix of its first axis and all others, and its shape.
  MatrixView stacked(const char* name, std::vector<std::size_t>& shape) const;
  double number(const char* name) const;
  // The activation and, of prelu, the slopes of `units` units.
  void read_activation(Activation& activation, MatrixView& slopes, std::size_t units) const;
  void expect_shape(const MatrixView& matrix, const char* name, std::size_t rows, std::size_t columns) const;
  // Reads the parts D, c and S behind the units of a block, and α and β.
  template <class View>
  void read_behind(View& layer, std::size_t width) const {
    if (present(object.Get("down"))) {
      layer.down = matrix("down");
      expect_shape(layer.down, "down", layer.outputs(), layer.units());
    }
    layer.down_bias = bias("downBias", layer.outputs());
    if (present(object.Get("skip"))) {
      layer.skip = matrix("skip");
      expect_shape(layer.skip, "skip", layer.outputs(), width);
    }
    read_residual(layer, width);
  }
  // Reads α and β, and checks the width that a residual must find again.
  template <class View>
  void read_residual(View& layer, std::size_t width) const {
    layer.alpha = number("alpha");
    layer.beta = number("beta");
    if (layer.alpha != 0) expect(env, layer.outputs(), width, where + "the width of a block with a residual");
  }
};

// One function per kind: reads a layer whose input has `width` features.
void read_layer(const LayerReader& reader, std::size_t width, LinearView& layer);
void read_layer(const LayerReader& reader, std::size_t width, BilinearView& layer);
void read_layer(const LayerReader& reader, std::size_t width, AttentionView& layer);
void read_layer(const LayerReader& reader, std::size_t width, RmsNormView& layer);
void read_layer(const LayerReader& reader, std::size_t width, LayerNormView& layer);
void read_layer(const LayerReader& reader, std::size_t width, BatchNormView& layer);
void read_layer(const LayerReader& reader, std::size_t width, ConvolutionView& layer);
void read_layer(const LayerReader& reader, std::size_t width, PoolView& layer);
void read_layer(const LayerReader& reader, std::size_t width, SoftmaxAttentionView& layer);
void read_layer(const LayerReader& reader, std::size_t width, PositionsView& layer);
void read_layer(const LayerReader& reader, std::size_t width, ParallelView& layer);
void read_layer(const LayerReader& reader, std::size_t width, ActivationView& layer);
void read_layer(const LayerReader& reader, std::size_t width, HiddenView& layer);
void read_layer(const LayerReader& reader, std::size_t width, GatedView& layer);

// The layers of a ChainSource (lib/backend/backend.ts); their sizes fit from layer to layer.
std::vector<LayerView> read_layers(const Napi::Value& value, std::size_t inputs, AsyncCall& call);

// The same of the layers of a branch, and the width of what they give.
std::vector<LayerView> read_branch(const LayerReader& reader, const Napi::Value& value, std::size_t& width);

// Fails with MEMORY_LIMIT where `positions` are so many that the size of what is kept for all of them, or for all pairs
// of them where `pairs` are kept, is no number that the computation can count to.
void expect_countable(Napi::Env env, const std::vector<LayerView>& layers, std::size_t inputs, std::size_t positions,
                      bool pairs);

}  // namespace tensim::addon
