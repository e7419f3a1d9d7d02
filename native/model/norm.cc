#include "norm.h"

#include <cmath>

namespace tensim {

template <class T>
void normalise(const T* x, std::size_t width, bool centred, double epsilon, const T* gain, const T* bias, T* y) {
  double mean = 0, square = 0;
  if (centred) {
    for (std::size_t i = 0; i < width; ++i) mean += static_cast<double>(x[i]);
    mean /= static_cast<double>(width);
  }
  for (std::size_t i = 0; i < width; ++i) {
    const double value = static_cast<double>(x[i]) - mean;
    square += value * value;
  }
  const double factor = 1 / std::sqrt(square / static_cast<double>(width) + epsilon);
  for (std::size_t i = 0; i < width; ++i) {
    double value = (static_cast<double>(x[i]) - mean) * factor;
    if (gain != nullptr) value *= static_cast<double>(gain[i]);
    if (bias != nullptr) value += static_cast<double>(bias[i]);
    y[i] = static_cast<T>(value);
  }
}

template <class T>
std::vector<T> gains(const MatrixView& weight, std::size_t width, double offset) {
  std::vector<T> result;
  if (absent(weight)) return result;
  for (const double value : vector_of(weight, width)) result.push_back(static_cast<T>(value + offset));
  return result;
}

template <class T>
void NormPass<T>::apply(const Context&, std::size_t rows, std::size_t, ForwardScratch<T>& scratch) const {
  const T *x = scratch.x.data(), *weights = gain.empty() ? nullptr : gain.data();
  const T* shifts = bias.empty() ? nullptr : bias.data();
  T* y = scratch.y.data();
  for (std::size_t row = 0; row < rows; ++row, x += outputs, y += outputs)
    normalise(x, outputs, centred, epsilon, weights, shifts, y);
}

#define TENSIM_INSTANTIATE(T)                                                                   \
  template void normalise<T>(const T*, std::size_t, bool, double, const T*, const T*, T*);      \
  template std::vector<T> gains<T>(const MatrixView& weight, std::size_t width, double offset); \
  template struct NormPass<T>;
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
