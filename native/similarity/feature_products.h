#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/context.h"
#include "block_products.h"

namespace tensim {

// Products of plain vectors, one per model and output: a symmetric rank-k product over the models where rows and
// columns are the same.
//
// The vectors are cut into parts of a fixed length that never cross an output, the models into blocks; a task is one
// part of one block, and the parts are added up in order, in double. Within a part every product is summed by itself,
// in steps of a fixed length. So a result depends neither on the threads nor on the other models of the tile.
template <class T>
class FeatureProducts {
 public:
  // Element [offsets[c], offsets[c + 1]) of a model's vector belong to output c. A model without a vector (null) counts
  // as zero.
  FeatureProducts(const Context& context, bool symmetric, std::vector<const T*> rows, std::vector<const T*> columns,
                  const std::vector<std::size_t>& offsets);

  std::uint64_t flops() const;

  // Adds the product of row i and column j over output c to slices[(c·rows + i)·columns + j], for i ≤ j only where
  // symmetric.
  void add(double* slices) const;

 private:
  // Of a model's vector.
  struct Part {
    std::size_t output, begin, length;
    bool first;  // of its output
  };
  // Its partial products lie from `at` on.
  struct Block {
    ModelBlock models;
    std::size_t at;
  };

  void multiply(const Part& part, const Block& block, double* to, std::size_t to_row, bool accumulate) const;
  void add_rows(const Block& block, const double* from, std::size_t from_row, double* to, std::size_t to_row) const;

  const Context& context_;
  const bool symmetric_;
  std::vector<const T*> rows_, columns_;
  const std::size_t outputs_;
  std::vector<Part> parts_;
  std::vector<Block> blocks_;
  std::size_t area_ = 0;  // of all blocks
};

}  // namespace tensim
