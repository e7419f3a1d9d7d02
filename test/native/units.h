// Folded chains with a block of units, drawn at random.
#pragma once

#include <algorithm>

#include "check.h"
#include "gaussian/units.h"

namespace tensim::test {

struct Shape {
  std::size_t inputs, hidden, outputs;
};

// A folded chain with everything drawn at random; some units lie along those of `near`, some are constant.
inline FoldedUnits draw(Random& random, const Shape& shape, ActivationKind kind, bool gated, const FoldedUnits* near) {
  const auto [inputs, hidden, outputs] = shape;
  FoldedUnits units;
  units.inputs = inputs;
  units.outputs = outputs;
  units.hidden = hidden;
  units.activation = {kind, 0.1};
  units.gated = gated;
  units.directions = Matrix<double>(hidden, inputs);
  if (gated) units.across = Matrix<double>(hidden, inputs);
  for (std::size_t i = 0; i < hidden; ++i) {
    double* row = units.directions.row(i);
    const bool constant = i % 7 == 5;
    for (std::size_t j = 0; j < inputs; ++j) row[j] = constant ? 0 : random.number();
    if (near != nullptr && i < near->hidden && i % 3 == 0) {
      for (std::size_t j = 0; j < inputs; ++j)
        row[j] = (i % 2 == 0 ? 1 : -1) * near->directions.row(i)[j] + 1e-3 * row[j];
      if (i % 4 == 0) std::copy(near->directions.row(i), near->directions.row(i) + inputs, row);
    }
    double squares = 0;
    for (std::size_t j = 0; j < inputs; ++j) squares += row[j] * row[j];
    const double length = std::sqrt(squares);
    for (std::size_t j = 0; length > 0 && j < inputs; ++j) row[j] /= length;
    units.deviations.push_back(length > 0 ? 0.8 + 0.5 * random.number() : 0);
    units.means.push_back(0.5 * random.number());
    if (kind == ActivationKind::kPrelu) units.slopes.push_back(random.number());
    if (!gated) continue;
    units.constants.push_back(random.number());
    units.along.push_back(length > 0 ? random.number() : 0);
    double* across = units.across.row(i);
    double along = 0, rest = 0;
    for (std::size_t j = 0; j < inputs; ++j) across[j] = random.number() / std::sqrt(static_cast<double>(inputs));
    for (std::size_t j = 0; j < inputs; ++j) along += across[j] * row[j];
    for (std::size_t j = 0; j < inputs; ++j) across[j] -= along * row[j];
    for (std::size_t j = 0; j < inputs; ++j) rest += across[j] * across[j];
    units.lengths.push_back(std::sqrt(rest));
  }
  const auto matrix = [&](std::size_t rows, std::size_t columns) {
    FoldedMatrix made = FoldedMatrix::allocate(rows, columns);
    for (std::size_t at = 0; at < rows * columns; ++at) made.own[at] = random.number();
    return made;
  };
  units.down = matrix(outputs, hidden);
  units.skip = matrix(outputs, inputs);
  units.constant = random.vector<double>(outputs);
  return units;
}

}  // namespace tensim::test
