#pragma once

#include <cstddef>

#include "../core/context.h"
#include "prepared_model.h"

namespace tensim {

// What brings the factors of two unfolded models together (MATH.md section 3): with embeddings P (m, k) and P' (m', k),
// the products of the rows of L and R are taken over the metric M = P P'ᵀ (m, m'),
//
//   L_h·L'_k  becomes  L_hᵀ M L'_k,
//
// so the rows of one model are multiplied by M, and the pair kernel then contracts over m'. All of it is done on packed
// panels:
//
//   row panels of P ┐
//                   ├─► column panels of M ┐
//   column panels   ┘                      ├─► row panels of [L; R]·M ──► pair kernel
//   of P'              row panels of [L; R]┘
template <class T>
class MetricKernel {
 public:
  explicit MetricKernel(const Context& context);

  // Elements of M with its last column panel whole, and its column panels.
  std::size_t size(const PreparedModel<T>& a, const PreparedModel<T>& b) const;
  std::size_t panels(const PreparedModel<T>& b) const;
  // Of M, and of the rows of a moved through it.
  std::size_t flops(const PreparedModel<T>& a, const PreparedModel<T>& b) const;

  // Writes column panel `panel` of M to its place in `metric`.
  void run(const PreparedModel<T>& a, const PreparedModel<T>& b, std::size_t panel, T* metric) const;

  // Elements of one row panel of [L; R]·M.
  std::size_t moved_size(const PreparedModel<T>& b) const;
  // Multiplies `count` row panels of a by M.
  void move(const PreparedModel<T>& a, const PreparedModel<T>& b, const T* row_panels, std::size_t count,
            const T* metric, T* moved) const;

 private:
  const Context& context_;
  const MicroKernels<T>& kernels_;
};

}  // namespace tensim
