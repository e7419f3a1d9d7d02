#include "passes.h"

#include "rows.h"

namespace tensim {

template <class T>
PackedMap<T>::PackedMap(const MicroKernels<T>& kernels, const std::vector<MatrixView>& matrices,
                        const std::vector<MatrixView>& biases)
    : matrix(kernels, matrices), bias(stacked_biases<T>(biases, matrices.front().rows)) {}

template <class T>
void PackedMap<T>::apply(const MicroKernels<T>& kernels, const T* x, std::size_t rows, T* y,
                         AlignedBuffer<T>& panels) const {
  matrix.multiply(kernels, x, rows, y, panels);
  add_bias(bias, rows, y);
}

template <class T>
EmbeddingPass<T>::EmbeddingPass(const LinearView& layer, std::size_t tokens)
    : outputs(layer.outputs()), table(tokens * outputs) {
  const std::vector<T> bias = stacked_biases<T>({layer.bias}, outputs);
  visit(layer.weight, [&](const auto* data) {
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t i = 0; i < outputs; ++i) {
        const T weight = static_cast<T>(data[static_cast<std::ptrdiff_t>(i) * layer.weight.row_stride +
                                             static_cast<std::ptrdiff_t>(t) * layer.weight.column_stride]);
        table[t * outputs + i] = bias.empty() ? weight : weight + bias[i];
      }
    }
  });
}

template <class T>
LinearPass<T>::LinearPass(const MicroKernels<T>& kernels, const LinearView& layer)
    : outputs(layer.outputs()), map(kernels, {layer.weight}, {layer.bias}) {}

template <class T>
void LinearPass<T>::apply(const Context& context, std::size_t rows, std::size_t, ForwardScratch<T>& scratch) const {
  map.apply(context.kernels.of<T>(), scratch.x.data(), rows, scratch.y.data(), scratch.panels);
}

template <class T>
BilinearPass<T>::BilinearPass(const MicroKernels<T>& kernels, const BilinearView& layer)
    : outputs(layer.outputs()),
      units(layer.units()),
      sides(kernels, {layer.left, layer.right}, {layer.left_bias, layer.right_bias}),
      has_down(!absent(layer.down)),
      alpha(static_cast<T>(layer.alpha)),
      beta(static_cast<T>(layer.beta)) {
  if (has_down) {
    down = PackedMap<T>(kernels, {layer.down}, {layer.down_bias});
  } else {
    down.bias = stacked_biases<T>({layer.down_bias}, outputs);
  }
}

template <class T>
void BilinearPass<T>::apply(const Context& context, std::size_t rows, std::size_t, ForwardScratch<T>& scratch) const {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  T* y = scratch.y.data();
  sides.apply(kernels, scratch.x.data(), rows, scratch.wide.data(), scratch.panels);
  T* products = has_down ? scratch.joined.data() : y;
  for (std::size_t row = 0; row < rows; ++row) {
    const T* both = scratch.wide.data() + row * 2 * units;
    kernels.multiply(units, T(1), both, T(1), both + units, products + row * units, false);
  }
  if (has_down) {
    down.apply(kernels, products, rows, y, scratch.panels);
  } else {
    add_bias(down.bias, rows, y);
  }
  add_residual(alpha, scratch.x.data(), beta, rows * outputs, y);
}

#define TENSIM_INSTANTIATE(T)       \
  template struct PackedMap<T>;     \
  template struct EmbeddingPass<T>; \
  template struct LinearPass<T>;    \
  template struct BilinearPass<T>;
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
