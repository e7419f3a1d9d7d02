#pragma once

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "../core/error.h"
#include "activation.h"
#include "attention.h"
#include "batch_norm.h"
#include "bilinear.h"
#include "gated.h"
#include "hidden.h"
#include "image.h"
#include "linear.h"
#include "norm.h"
#include "parallel.h"
#include "softmax_attention.h"

namespace tensim {

// A layer of any kind. A kind is a struct in a file of its own, which tells its parts and widths; who asks what kind a
// layer is visits it with one function per kind, so that a kind added here compiles nowhere until all have said what
// becomes of it. addon/layers reads the kinds from JavaScript, model/ runs them.
using LayerView = std::variant<LinearView, BilinearView, AttentionView, ActivationView, HiddenView, GatedView,
                               RmsNormView, LayerNormView, BatchNormView, ConvolutionView, PoolView,
                               SoftmaxAttentionView, PositionsView, ParallelView>;

// The chains of a ParallelView, one layer or more each.
struct Branches {
  std::vector<std::vector<LayerView>> chains;
};

// What a method says of a kind that it does not take: of most, outputs can be sampled only.
template <class View>
[[noreturn]] void refuse_layer(const View&, const char* refusal) {
  throw Error("UNSUPPORTED_LAYER", std::string(refusal) + " " + View::kType + " layers");
}

// Those that linear layers do not fold into: what a chain is cut at.
using BlockView = std::variant<BilinearView, AttentionView>;

// Functions for std::visit, one per kind.
template <class... Functions>
struct Overload : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overload(Functions...) -> Overload<Functions...>;

}  // namespace tensim
