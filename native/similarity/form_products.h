#pragma once

#include <cstdint>
#include <vector>

#include "block_products.h"
#include "prepared_model.h"

namespace tensim {

// Products of the forms of models by the route kDense, to the bit those of FeatureProducts, without there ever being
// whole forms: a range of the elements of some outputs is made of all models, multiplied, and given up for the next.
//
//   forms of models   |■■■|   |   |   |   |  ──►     all models of a range, in memory that is used again and again
//
// Memory that nobody has used yet costs more than all else: a page fault, which clears it, takes about as long as
// filling it. Models that keep their forms may be among the others.
template <class T>
class FormProducts {
 public:
  using Models = std::vector<const PreparedModel<T>*>;

  FormProducts(const Context& context, bool symmetric, const Models& rows, const Models& columns);

  std::uint64_t flops() const;

  // As FeatureProducts::add.
  void add(double* slices) const;

 private:
  void add_group(const OutputGroup& group, double* slices) const;
  // Elements [begin, end) of the group's forms of all models that do not keep them.
  void expand_all(const OutputGroup& group, std::size_t begin, std::size_t end, T* to, std::size_t pitch) const;

  const Context& context_;
  const bool symmetric_;
  const Models rows_, columns_;
  Models made_;  // those that do not keep their forms, each once
  std::size_t size_ = 0, area_ = 0;
  std::vector<ModelBlock> blocks_;
};

}  // namespace tensim
