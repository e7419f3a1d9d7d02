#pragma once

#include <cstddef>

#include "../core/matrix_view.h"

namespace tensim {

// x ↦ W x + b, over memory that somebody else owns; shapes as in lib/layers/.
struct LinearView {
  static constexpr const char* kType = "linear";

  MatrixView weight;
  MatrixView bias;  // a column, or absent

  std::size_t width() const { return weight.columns; }
  std::size_t outputs() const { return weight.rows; }
};

}  // namespace tensim
