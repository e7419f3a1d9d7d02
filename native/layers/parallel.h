#pragma once

#include <cstddef>
#include <memory>

namespace tensim {

struct Branches;

// x ↦ α x + β Σ_k F_k(x), over memory that somebody else owns. The chains F_k are layers in turn (layers/layer.h).
struct ParallelView {
  static constexpr const char* kType = "parallel";

  std::shared_ptr<const Branches> branches;
  std::size_t takes = 0, gives = 0;
  double alpha = 1, beta = 1;

  std::size_t width() const { return takes; }
  std::size_t outputs() const { return gives; }
};

}  // namespace tensim
