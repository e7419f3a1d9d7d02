#include "image.h"

#include <algorithm>
#include <cmath>

#include "rows.h"

namespace tensim {
namespace {

// Windows whose patches lie in memory together.
constexpr std::size_t kWindowBlock = 256;

// Along one axis: the elements of the p-th window, of which `first` is where it begins (it may be in the padding).
struct Span {
  std::ptrdiff_t first;

  Span(const Windows& windows, std::size_t axis, std::size_t p)
      : first(static_cast<std::ptrdiff_t>(p * windows.stride[axis]) -
              static_cast<std::ptrdiff_t>(windows.padding[axis])) {}
};

bool inside(std::ptrdiff_t place, std::size_t size) {
  return place >= 0 && static_cast<std::size_t>(place) < size;
}

}  // namespace

template <class T>
BatchNormPass<T>::BatchNormPass(const BatchNormView& layer) : outputs(layer.outputs()), area(layer.area) {
  const std::vector<double> shift = vector_of(layer.bias, layer.channels());
  for (std::size_t c = 0; c < layer.channels(); ++c) {
    const double weight = absent(layer.weight) ? 1 : element(layer.weight, c);
    mean.push_back(static_cast<T>(element(layer.mean, c)));
    factor.push_back(static_cast<T>(weight / std::sqrt(element(layer.variance, c) + layer.epsilon)));
    bias.push_back(static_cast<T>(shift[c]));
  }
}

template <class T>
void BatchNormPass<T>::apply(const Context&, std::size_t rows, std::size_t, ForwardScratch<T>& scratch) const {
  const T* x = scratch.x.data();
  T* y = scratch.y.data();
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t c = 0; c < mean.size(); ++c) {
      for (std::size_t i = 0; i < area; ++i) *y++ = (*x++ - mean[c]) * factor[c] + bias[c];
    }
  }
}

template <class T>
void patches(const T* image, std::size_t channels, const Windows& windows, std::size_t first, std::size_t count,
             T* result) {
  const auto [height, width] = windows.input;
  for (std::size_t p = first; p < first + count; ++p) {
    const Span down(windows, 0, p / windows.output[1]), across(windows, 1, p % windows.output[1]);
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t i = 0; i < windows.kernel[0]; ++i) {
        const auto row = down.first + static_cast<std::ptrdiff_t>(i * windows.dilation[0]);
        const T* line = inside(row, height) ? image + (c * height + static_cast<std::size_t>(row)) * width : nullptr;
        for (std::size_t j = 0; j < windows.kernel[1]; ++j) {
          const auto column = across.first + static_cast<std::ptrdiff_t>(j * windows.dilation[1]);
          *result++ = line != nullptr && inside(column, width) ? line[column] : T(0);
        }
      }
    }
  }
}

template <class T>
ConvolutionPass<T>::ConvolutionPass(const MicroKernels<T>& kernels, const ConvolutionView& layer)
    : outputs(layer.outputs()),
      channels(layer.channels),
      windows(layer.windows),
      bias(stacked_biases<T>({layer.bias}, layer.weight.rows)) {
  const std::size_t rows = layer.weight.rows / layer.groups;
  for (std::size_t group = 0; group < layer.groups; ++group) {
    MatrixView own = layer.weight;
    own.rows = rows;
    const std::ptrdiff_t skipped = static_cast<std::ptrdiff_t>(group * rows) * own.row_stride;
    visit(layer.weight, [&](const auto* data) { own.data = data + skipped; });
    groups.emplace_back(kernels, std::vector<MatrixView>{own});
  }
}

template <class T>
std::size_t ConvolutionPass<T>::bytes() const {
  std::size_t sum = bias.size() * sizeof(T);
  for (const PackedMatrix<T>& group : groups) sum += group.bytes();
  return sum;
}

template <class T>
double ConvolutionPass<T>::flops_per_row(std::size_t) const {
  return 2.0 * static_cast<double>(outputs) * static_cast<double>(groups.front().depth());
}

template <class T>
void ConvolutionPass<T>::apply(const Context& context, std::size_t rows, std::size_t,
                               ForwardScratch<T>& scratch) const {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const std::size_t per_group = groups.front().outputs(), depth = groups.front().depth();
  const std::size_t seen = channels / groups.size(), pixels = windows.pixels(), area = windows.count();
  const std::size_t block = std::min(kWindowBlock, area);
  // Rows lie as far apart as the features that go in and come out.
  if (scratch.keys.size() < block * depth) scratch.keys = AlignedBuffer<T>(block * depth);
  if (scratch.scores.size() < block * per_group) scratch.scores = AlignedBuffer<T>(block * per_group);
  for (std::size_t row = 0; row < rows; ++row) {
    const T* image = scratch.x.data() + row * channels * pixels;
    T* y = scratch.y.data() + row * outputs;
    for (std::size_t group = 0; group < groups.size(); ++group) {
      for (std::size_t first = 0; first < area; first += block) {
        context.control.throw_if_aborted();
        const std::size_t count = std::min(block, area - first);
        patches(image + group * seen * pixels, seen, windows, first, count, scratch.keys.data());
        groups[group].multiply(kernels, scratch.keys.data(), count, scratch.scores.data(), scratch.panels);
        for (std::size_t o = 0; o < per_group; ++o) {
          const std::size_t channel = group * per_group + o;
          T* to = y + channel * area + first;
          for (std::size_t p = 0; p < count; ++p) {
            const T value = scratch.scores[p * per_group + o];
            to[p] = bias.empty() ? value : value + bias[channel];
          }
        }
      }
    }
  }
}

template <class T>
PoolPass<T>::PoolPass(const PoolView& layer)
    : outputs(layer.outputs()),
      channels(layer.channels),
      windows(layer.windows),
      largest(layer.largest),
      count_padding(layer.count_padding) {}

template <class T>
void PoolPass<T>::apply(const Context&, std::size_t rows, std::size_t, ForwardScratch<T>& scratch) const {
  const auto [height, width] = windows.input;
  const T* x = scratch.x.data();
  T* y = scratch.y.data();
  for (std::size_t image = 0; image < rows * channels; ++image, x += windows.pixels()) {
    for (std::size_t p = 0; p < windows.count(); ++p) {
      const Span down(windows, 0, p / windows.output[1]), across(windows, 1, p % windows.output[1]);
      const auto start = [](const Span& span) {
        return static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, span.first));
      };
      const auto end = [](const Span& span, std::size_t kernel, std::size_t size) {
        return std::min(size, static_cast<std::size_t>(span.first + static_cast<std::ptrdiff_t>(kernel)));
      };
      const std::size_t top = start(down), bottom = end(down, windows.kernel[0], height);
      const std::size_t left = start(across), right = end(across, windows.kernel[1], width);
      T result = largest ? x[top * width + left] : T(0);
      for (std::size_t row = top; row < bottom; ++row) {
        for (std::size_t column = left; column < right; ++column) {
          const T value = x[row * width + column];
          // What is no number stays visible.
          if (!largest) {
            result += value;
          } else if (!(value <= result) && !std::isnan(result)) {
            result = value;
          }
        }
      }
      const std::size_t members = count_padding ? windows.places() : (bottom - top) * (right - left);
      *y++ = largest ? result : result * (T(1) / static_cast<T>(members));
    }
  }
}

#define TENSIM_INSTANTIATE(T)         \
  template struct BatchNormPass<T>;   \
  template struct ConvolutionPass<T>; \
  template struct PoolPass<T>;        \
  template void patches<T>(const T*, std::size_t, const Windows&, std::size_t, std::size_t, T*);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
