#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/context.h"
#include "metric.h"
#include "pair_kernel.h"
#include "prepared_model.h"

namespace tensim {

// The quadratic parts P_c of the inner products of models kept as factors, folded or not. A pair is cut into the parts
// of its kernel, and these, many small or few large, are shared out among the threads; their sums are added up in
// order.
template <class T>
class QuadraticProducts {
 public:
  QuadraticProducts(const Context& context, bool symmetric, const std::vector<const PreparedModel<T>*>& rows,
                    const std::vector<const PreparedModel<T>*>& columns);

  std::uint64_t flops() const { return flops_; }

  // Adds P_c of row i and column j to slices[(c·rows + i)·columns + j], for i ≤ j only where symmetric.
  void add(double* slices) const;

 private:
  struct Pair {
    std::size_t row, column;
  };
  // One part of one pair.
  struct Unit {
    std::size_t pair, part;
  };

  void add_group(std::size_t first, std::size_t last, double* slices) const;
  std::vector<AlignedBuffer<T>> metrics_of(std::size_t first, std::size_t last) const;
  const PreparedModel<T>& row(std::size_t pair) const { return *rows_[pairs_[pair].row]; }
  const PreparedModel<T>& column(std::size_t pair) const { return *columns_[pairs_[pair].column]; }

  const Context& context_;
  const std::vector<const PreparedModel<T>*>&rows_, &columns_;
  const std::size_t outputs_;
  const PairKernel<T> kernel_;
  const MetricKernel<T> metric_;
  std::vector<Pair> pairs_;
  std::uint64_t flops_ = 0;
};

}  // namespace tensim
