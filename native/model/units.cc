#include "units.h"

#include <algorithm>

#include "rows.h"

namespace tensim {

UnitActivation::UnitActivation(const Activation& activation, const MatrixView& slopes, std::size_t units)
    : activation(activation), slopes(absent(slopes) ? std::vector<double>() : vector_of(slopes, units)) {}

template <class T>
void UnitActivation::apply(T* rows, std::size_t count, std::size_t width) const {
  tensim::apply(activation, slopes.empty() ? nullptr : slopes.data(), rows, count, width);
}

template <class T>
ActivationPass<T>::ActivationPass(const MicroKernels<T>&, const ActivationView& layer)
    : outputs(layer.outputs()), phi(layer.activation, layer.slopes, layer.width()) {}

template <class T>
void ActivationPass<T>::apply(const Context&, std::size_t rows, std::size_t, ForwardScratch<T>& scratch) const {
  std::copy(scratch.x.data(), scratch.x.data() + rows * outputs, scratch.y.data());
  phi.apply(scratch.y.data(), rows, outputs);
}

template <class T>
template <class View>
BehindUnits<T>::BehindUnits(const MicroKernels<T>& kernels, const View& layer)
    : has_down(!absent(layer.down)),
      has_skip(!absent(layer.skip)),
      alpha(static_cast<T>(layer.alpha)),
      beta(static_cast<T>(layer.beta)) {
  if (has_down) {
    down = PackedMap<T>(kernels, {layer.down}, {layer.down_bias});
  } else {
    down.bias = stacked_biases<T>({layer.down_bias}, layer.outputs());
  }
  if (has_skip) skip = PackedMap<T>(kernels, {layer.skip}, {MatrixView{}});
}

template <class T>
void BehindUnits<T>::apply(const MicroKernels<T>& kernels, const T* units, std::size_t rows, std::size_t outputs,
                           ForwardScratch<T>& scratch) const {
  T* y = scratch.y.data();
  if (has_down) {
    down.apply(kernels, units, rows, y, scratch.panels);
  } else {
    add_bias(down.bias, rows, y);
  }
  add_residual(alpha, scratch.x.data(), beta, rows * outputs, y);
  if (!has_skip) return;
  T* beside = scratch.joined.data();
  skip.apply(kernels, scratch.x.data(), rows, beside, scratch.panels);
  for (std::size_t i = 0; i < rows * outputs; ++i) y[i] += beside[i];
}

template <class T>
HiddenPass<T>::HiddenPass(const MicroKernels<T>& kernels, const HiddenView& layer)
    : outputs(layer.outputs()),
      units(layer.units()),
      weight(kernels, {layer.weight}, {layer.bias}),
      phi(layer.activation, layer.slopes, layer.units()),
      behind(kernels, layer) {}

template <class T>
void HiddenPass<T>::apply(const Context& context, std::size_t rows, std::size_t, ForwardScratch<T>& scratch) const {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  T* values = behind.has_down ? scratch.wide.data() : scratch.y.data();
  weight.apply(kernels, scratch.x.data(), rows, values, scratch.panels);
  phi.apply(values, rows, units);
  behind.apply(kernels, values, rows, outputs, scratch);
}

template <class T>
GatedPass<T>::GatedPass(const MicroKernels<T>& kernels, const GatedView& layer)
    : outputs(layer.outputs()),
      units(layer.units()),
      sides(kernels, {layer.gate, layer.up}, {layer.gate_bias, layer.up_bias}),
      phi(layer.activation, layer.slopes, layer.units()),
      behind(kernels, layer) {}

template <class T>
void GatedPass<T>::apply(const Context& context, std::size_t rows, std::size_t, ForwardScratch<T>& scratch) const {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  sides.apply(kernels, scratch.x.data(), rows, scratch.wide.data(), scratch.panels);
  T* products = behind.has_down ? scratch.joined.data() : scratch.y.data();
  for (std::size_t row = 0; row < rows; ++row) {
    T* both = scratch.wide.data() + row * 2 * units;
    phi.apply(both, 1, units);
    kernels.multiply(units, T(1), both, T(1), both + units, products + row * units, false);
  }
  behind.apply(kernels, products, rows, outputs, scratch);
}

#define TENSIM_INSTANTIATE(T)        \
  template struct ActivationPass<T>; \
  template struct HiddenPass<T>;     \
  template struct GatedPass<T>;
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
