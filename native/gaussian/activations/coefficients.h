#pragma once

#include <cstddef>

#include "../../core/context.h"
#include "activation.h"

namespace tensim {

// a_n = E φ(m_i + s_i z) h_n(z), n ≤ terms, of every unit (MATH.md section 10): `values` (units, terms + 1), row-major,
// and `energy` E φ(m_i + s_i z)². Deviations may be 0. `slopes`: of prelu, one for each unit; else null. A unit's
// numbers depend on nothing but the unit and `terms`.
void coefficients(const Context& context, const Activation& activation, const double* slopes, const double* means,
                  const double* deviations, std::size_t units, std::size_t terms, double* values, double* energy);

// The same of one unit, without its energy.
void unit_coefficients(const Activation& activation, double mean, double deviation, std::size_t terms, double* row);

}  // namespace tensim
