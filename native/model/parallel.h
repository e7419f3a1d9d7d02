#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "passes.h"

namespace tensim {

template <class T>
class PassSequence;

// α x + β Σ_k F_k(x), one branch after the other. Branches have memory of their own within the scratch of the chain.
template <class T>
struct ParallelPass {
  std::size_t width = 0, outputs = 0;
  std::vector<std::shared_ptr<const PassSequence<T>>> branches;
  T alpha = 1, beta = 1;

  ParallelPass(const Context& context, const ParallelView& layer, std::size_t positions);
  std::size_t wide() const { return 0; }
  std::size_t joined() const { return 0; }
  std::size_t bytes() const;
  double flops_per_row(std::size_t positions) const;
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;
};

}  // namespace tensim
