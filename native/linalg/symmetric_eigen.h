#pragma once

#include <cstddef>
#include <vector>

#include "../core/context.h"

namespace tensim {

struct EigenPairs {
  std::vector<double> values;   // (count, size), the largest in magnitude first
  std::vector<double> vectors;  // (count, wanted, size), of the first `wanted` ≤ size
};

// The eigenvalues of `count` symmetric matrices, (count, size, size), lower triangles read, and the eigenvectors of the
// `wanted` largest in magnitude: reflections to tridiagonal form and QL; lib/fallback/linalg/symmetric_eigen.ts
// explains it. Threads share the matrices out, so the result does not depend on their number.
EigenPairs symmetric_eigen(const Context& context, const double* matrices, std::size_t count, std::size_t size,
                           std::size_t wanted);

}  // namespace tensim
