#pragma once

#include "../core/context.h"
#include "../core/matrix.h"

namespace tensim {

// Orthonormal rows that span those of a matrix: Gram–Schmidt, each row twice. All of the space where that is not
// larger.
Matrix<double> row_space(const Context& context, const Matrix<double>& matrix);

}  // namespace tensim
