#pragma once

#include <cstddef>

#include "kernel.h"

namespace tensim {

// A unit of a gated block, φ(m + s z) (c + beta z + ξ) with ξ independent of z (MATH.md section 11): p(z) + ξ q(z) with
// q(z) = φ(m + s z) and p(z) = (constant + beta z) q(z).
struct GatedUnit {
  Unit gate;
  double constant, beta;
};

// E p p', E q ∂p', E ∂p q', E q q', E ∂q ∂q' for correlation rho; ∂ is d/dz.
struct GatedKernels {
  double pp, q_dp, dp_q, qq, dq_dq;
};

// At rho = ±1 the last of two heaviside units, a density that has no bound there, is given as 0: it counts with a
// factor that goes to zero faster.
GatedKernels gated_kernels(const GatedUnit& u, const GatedUnit& v, double rho);

// Coefficients of p, q, ∂p and ∂q for n ≤ terms, each (terms + 1) long, from those of φ(m + s z) for n ≤ terms + 2.
void gated_coefficients(const double* gate, double constant, double beta, std::size_t terms, double* p, double* q,
                        double* dp, double* dq);

}  // namespace tensim
