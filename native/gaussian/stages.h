#pragma once

#include <cstddef>
#include <vector>

#include "../core/context.h"
#include "../core/matrix.h"
#include "../layers/chain.h"

namespace tensim {

// The affine map z ↦ A z + a from the whitened input through linear layers.
template <class T>
struct Front {
  Matrix<T> matrix;  // (d, k)
  std::vector<double> offset;
};

// A block and the linear layers up to the next one, multiplied into one.
template <class T>
struct Stage {
  BlockView block;
  bool linear_after = false;
  Matrix<T> after;  // W, empty without linear layers
  std::vector<double> after_bias;
};

// A chain cut at its blocks.
template <class T>
struct Stages {
  Front<T> front;
  std::vector<Stage<T>> stages;
  std::size_t outputs = 0;
};

template <class T>
Stages<T> stages_of(const Context& context, const ChainView& chain);

// Throws UNSUPPORTED_LAYER, whose message is `refusal` and the kind of layer, unless all blocks of a chain are
// bilinear.
void require_bilinear(const ChainView& chain, const char* refusal);

}  // namespace tensim
