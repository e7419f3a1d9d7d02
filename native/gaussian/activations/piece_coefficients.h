#pragma once

#include <cstddef>

#include "pieces.h"

namespace tensim {

// Deviations below this count as none.
constexpr double kLeastDeviation = 1e-150;

// E φ(m + s z) h_n(z), n ≤ terms, of an activation with pieces, added to row. s ≥ kLeastDeviation
void piece_coefficients(const Pieces& pieces, const Activation& activation, double mean, double deviation,
                        std::size_t terms, double* row);

}  // namespace tensim
