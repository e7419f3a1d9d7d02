#pragma once

#include <cstddef>
#include <vector>

#include "layer.h"

namespace tensim {

// x = μ + C z, z ~ N(0, I_k). Without a factor C = sigma · I.
struct WhitenedLaw {
  MatrixView mean;    // (d, 1) or absent
  MatrixView factor;  // (d, k) or absent
  double sigma = 1;
};

// Layers that follow each other, and the law of their inputs (lib/backend/backend.ts, ChainSource): over memory that
// somebody else owns. The shapes fit from layer to layer.
struct ChainView {
  std::vector<LayerView> layers;
  WhitenedLaw law;
  std::size_t inputs = 0;
  std::size_t positions = 1;  // independent and alike in the input
  MatrixView gain{};          // (d, 1) or absent: what the columns of the first layer were multiplied by
};

}  // namespace tensim
