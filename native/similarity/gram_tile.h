#pragma once

#include <cstddef>
#include <vector>

#include "../core/context.h"
#include "prepared_model.h"

namespace tensim {

enum class Measure { kGaussian, kTensor };

struct GramJob {
  Measure measure = Measure::kGaussian;
  bool symmetric = false;   // rows and columns are the same models: compute i ≤ j and mirror
  bool per_output = false;  // keep the slices as well
  bool degrees = false;     // tell what every degree contributes, where the method knows it
};

// The degrees that are told apart: 0, 1, 2, and all higher ones.
constexpr std::size_t kDegrees = 4;

struct GramTile {
  std::vector<double> total;       // (rows, columns)
  std::vector<double> per_output;  // (rows, columns, outputs), empty unless asked for
  std::vector<double> per_degree;  // (rows, columns, kDegrees), empty unless asked for and known
  std::vector<double> bound;       // (rows, columns), of the method hidden: on what its series leave out
};

// Inner products of every row model with every column model (MATH.md section 3). All must have the same depth, outputs
// and feature sizes. The result does not depend on the number of threads: work is cut into the same parts, and sums are
// taken in the same order, however many share it.
template <class T>
GramTile gram_tile(const Context& context, const GramJob& job, const std::vector<const PreparedModel<T>*>& rows,
                   const std::vector<const PreparedModel<T>*>& columns);

}  // namespace tensim
