#pragma once

#include <cstddef>

#include "../core/context.h"

namespace tensim {

// How the numbers of a factor are stored.
enum class NumberFormat { kFloat64, kFloat32, kFloat16, kBFloat16 };

std::size_t bytes_of(NumberFormat format);

// The factors A or Bᵀ of some matrices, one after the other: `rank` rows of `depth` numbers each, as they are stored.
struct StoredFactors {
  const void* data;  // aligned for its format
  NumberFormat format;
  std::size_t depth;
  bool rank_last;  // (count, depth, rank), else (count, rank, depth)
};

// Matrices B diag(w) A of one shape and rank.
struct LowRankMatrices {
  std::size_t count, rank;
  StoredFactors a, b;     // of `inputs` and of `outputs` columns
  const double* weights;  // (count, rank)
};

// ⟨B diag(w) A, B' diag(w') A'⟩ = Σ_kl w_k w'_l (A_k·A'_l)(B_k·B'_l) of every row with every column, to
// `products` (rows.count, columns.count): the quadratic part of a pair of bilinear blocks (MATH.md section 3), without
// its crossed term. Sums over the depth are taken in T, all others in double. Where `symmetric`, columns are the rows,
// and cells below the diagonal are left as they are.
template <class T>
void low_rank_products(const Context& context, const LowRankMatrices& rows, const LowRankMatrices& columns,
                       bool symmetric, double* products);

}  // namespace tensim
