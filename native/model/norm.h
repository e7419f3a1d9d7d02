#pragma once

#include <cstddef>
#include <vector>

#include "passes.h"

namespace tensim {

// (x − μ) / √(mean (x − μ)² + ε) ⊙ gain + bias of one row, with sums in double precision: gain and bias may be null.
// μ is the mean of the row if it is centred, else 0.
template <class T>
void normalise(const T* x, std::size_t width, bool centred, double epsilon, const T* gain, const T* bias, T* y);

// The weights of a normalisation, w + offset; empty where there are none.
template <class T>
std::vector<T> gains(const MatrixView& weight, std::size_t width, double offset);

template <class T>
struct NormPass {
  std::size_t outputs = 0;
  bool centred = false;
  double epsilon = 0;
  std::vector<T> gain, bias;  // empty: 1 and 0

  template <bool Centred>
  explicit NormPass(const NormView<Centred>& layer)
      : outputs(layer.outputs()),
        centred(Centred),
        epsilon(layer.epsilon),
        gain(gains<T>(layer.weight, layer.features, layer.offset)),
        bias(gains<T>(layer.bias, layer.features, 0)) {}
  std::size_t wide() const { return 0; }
  std::size_t joined() const { return 0; }
  std::size_t bytes() const { return (gain.size() + bias.size()) * sizeof(T); }
  double flops_per_row(std::size_t) const { return 6.0 * static_cast<double>(outputs); }
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;
};

}  // namespace tensim
