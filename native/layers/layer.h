#pragma once

#include <cstddef>
#include <variant>

#include "attention.h"
#include "bilinear.h"
#include "linear.h"

namespace tensim {

// A layer of any kind. A kind is a struct in a file of its own, which tells its parts and widths; who asks what kind a
// layer is visits it with one function per kind, so that a kind added here compiles nowhere until all have said what
// becomes of it. addon/layers reads the kinds from JavaScript, model/ runs them.
using LayerView = std::variant<LinearView, BilinearView, AttentionView>;

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
