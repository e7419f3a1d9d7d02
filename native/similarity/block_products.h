#pragma once

#include <cstddef>
#include <vector>

#include "../core/context.h"
#include "../core/scratch.h"

namespace tensim {

// Rows [i0, i1) by columns [j0, j1) of the models of a tile.
struct ModelBlock {
  std::size_t i0, i1, j0, j1;

  std::size_t height() const { return i1 - i0; }
  std::size_t width() const { return j1 - j0; }
  std::size_t area() const { return height() * width(); }
};

// All blocks of a tile, those below the diagonal left out where it is symmetric.
std::vector<ModelBlock> model_blocks(bool symmetric, std::size_t rows, std::size_t columns);

// How many of the columns from `column` on are of no use to the rows from `row` on, both counted within the block.
inline std::size_t below_diagonal(bool symmetric, const ModelBlock& block, std::size_t row, std::size_t column) {
  const std::size_t i = block.i0 + row, j = block.j0 + column;
  return symmetric && i > j ? i - j : 0;
}

// Elements of a part of a vector: few enough for a long one to feed many threads. The sums of parts are added up in
// their order.
constexpr std::size_t kProductPart = std::size_t{1} << 14;

// Elements that are multiplied at a time: those of the rows of a kernel's tile fit the first cache, a panel of columns
// the second. A product is summed in T over a step and in double over the steps.
template <class T>
constexpr std::size_t product_step() {
  return 2048 / sizeof(T);
}

// Products of vectors of one block of models, step by step: every one is summed by itself, whatever else is in the
// block. Of one thread.
template <class T>
class BlockProducts {
 public:
  BlockProducts(const Context& context, bool symmetric, const ModelBlock& block);

  // Adds the products of elements [begin, end) of the vectors of all models of the tile, or begins anew with them. A
  // model without a vector (null) counts as zero. Unless they are the last ones, they must be whole steps.
  void add(const std::vector<const T*>& rows, const std::vector<const T*>& columns, std::size_t begin, std::size_t end,
           bool anew);

  // Puts the sums in place, to[(i − i0)·to_row + j − j0], or adds them to what is there.
  void put(double* to, std::size_t to_row, bool accumulate) const;

 private:
  const Context& context_;
  const bool symmetric_;
  const ModelBlock block_;
  Scratch<T> panel_;
  Scratch<double> sums_;                  // a tile of the kernel after the other
  std::vector<const T*> above_, across_;  // rows, as many as tiles have, and columns
};

}  // namespace tensim
