#pragma once

#include <cstddef>

#include "../core/context.h"
#include "prepared_model.h"

namespace tensim {

// The quadratic part of an inner product, per output c (MATH.md section 3):
//
//   P_c = Σ_hk D_ch D'_ck [(L_h·L'_k)(R_h·R'_k) + (L_h·R'_k)(R_h·L'_k)]
//
// It is computed in parts of consecutive row panels of `a`, so that a large pair feeds many threads; of no h×h matrix
// more than one part of rows by one column panel is there at a time, in cache: of K, and of the four products where
// inputs are longer than `kc` and taken in blocks.
template <class T>
class PairKernel {
 public:
  explicit PairKernel(const Context& context);

  // Parts of a pair; 0 when one of the two has no units. It depends on the models alone, never on threads.
  std::size_t parts(const PreparedModel<T>& a, const PreparedModel<T>& b) const;

  // Flops of part `part`: four products per pair of units, and the reduction.
  std::size_t flops(const PreparedModel<T>& a, const PreparedModel<T>& b, std::size_t part) const;

  // The row panels of a part of `a`, and how many there are.
  const T* panels(const PreparedModel<T>& a, std::size_t part) const;
  std::size_t panel_count(const PreparedModel<T>& a, std::size_t part) const;

  // Writes part `part` of P_c to sums[c] for every output c. `row_panels` are those of the part, or, for unfolded
  // models, the same multiplied by the metric (similarity/metric.h); they are as deep as `b`. `following` is the column
  // panel that is wanted next, as large as those of `b`, or null.
  void run(const PreparedModel<T>& a, const PreparedModel<T>& b, std::size_t part, const T* row_panels, double* sums,
           const T* following) const;

 private:
  const Context& context_;
  const MicroKernels<T>& kernels_;
  std::size_t most_;  // steps per block
};

}  // namespace tensim
