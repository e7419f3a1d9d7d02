#pragma once

#include <optional>
#include <vector>

#include "../gemm/kernels.h"
#include "../layers/chain.h"

namespace tensim {

// How large numbers are behind a chain of linear layers and bilinear blocks, as lib/similarity/scale/ estimates it: a
// level is log₂ of a root mean square, features taken to be independent.
struct ChainLevels {
  double whole = 0;            // of the norm, over all outputs and positions
  std::vector<double> slices;  // of every output, over all positions
};

// Those of a chain that needs no units: every level on the way through it is at most `window` from zero. Nothing for
// any other.
std::optional<ChainLevels> calm_levels(const KernelSet& kernels, const ChainView& chain, double window);

}  // namespace tensim
