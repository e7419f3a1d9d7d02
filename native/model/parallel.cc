#include "parallel.h"

#include <algorithm>

#include "rows.h"
#include "sequence.h"

namespace tensim {

template <class T>
ParallelPass<T>::ParallelPass(const Context& context, const ParallelView& layer, std::size_t positions)
    : width(layer.width()),
      outputs(layer.outputs()),
      alpha(static_cast<T>(layer.alpha)),
      beta(static_cast<T>(layer.beta)) {
  for (const std::vector<LayerView>& chain : layer.branches->chains) {
    auto branch = std::make_shared<PassSequence<T>>(layer.width());
    for (const LayerView& inner : chain) {
      context.control.throw_if_aborted();
      branch->add(context, inner, positions);
    }
    branches.push_back(std::move(branch));
  }
}

template <class T>
std::size_t ParallelPass<T>::bytes() const {
  std::size_t sum = 0;
  for (const auto& branch : branches) sum += branch->bytes();
  return sum;
}

template <class T>
double ParallelPass<T>::flops_per_row(std::size_t positions) const {
  double flops = 0;
  for (const auto& branch : branches) flops += branch->flops_per_row(positions) + static_cast<double>(outputs);
  return flops;
}

template <class T>
void ParallelPass<T>::apply(const Context& context, std::size_t rows, std::size_t positions,
                            ForwardScratch<T>& scratch) const {
  if (scratch.inside == nullptr) scratch.inside = std::make_unique<ForwardScratch<T>>();
  ForwardScratch<T>& inside = *scratch.inside;
  T* y = scratch.y.data();
  for (const auto& branch : branches) {
    branch->reserve(rows, inside);
    std::copy(scratch.x.data(), scratch.x.data() + rows * width, inside.x.data());
    branch->apply(context, rows, positions, inside);
    const T* from = inside.x.data();
    if (&branch == &branches.front()) {
      std::copy(from, from + rows * outputs, y);
    } else {
      for (std::size_t i = 0; i < rows * outputs; ++i) y[i] += from[i];
    }
  }
  add_residual(alpha, scratch.x.data(), beta, rows * outputs, y);
}

template struct ParallelPass<double>;
template struct ParallelPass<float>;

}  // namespace tensim
