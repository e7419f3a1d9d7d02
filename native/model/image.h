#pragma once

#include <cstddef>
#include <vector>

#include "passes.h"

namespace tensim {

template <class T>
struct BatchNormPass {
  std::size_t outputs = 0, area = 1;
  std::vector<T> mean, factor, bias;  // of every channel

  explicit BatchNormPass(const BatchNormView& layer);
  std::size_t wide() const { return 0; }
  std::size_t joined() const { return 0; }
  std::size_t bytes() const { return 3 * mean.size() * sizeof(T); }
  double flops_per_row(std::size_t) const { return 3.0 * static_cast<double>(outputs); }
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;
};

// What some windows of an image see of its channels, (windows, channels · kernel): zeros where they reach beyond it.
template <class T>
void patches(const T* image, std::size_t channels, const Windows& windows, std::size_t first, std::size_t count,
             T* result);

// Windows times kernels, a block of windows and a group of channels at a time.
template <class T>
struct ConvolutionPass {
  std::size_t outputs = 0, channels = 1;
  Windows windows;
  std::vector<PackedMatrix<T>> groups;
  std::vector<T> bias;  // of every output channel; empty: none

  ConvolutionPass(const MicroKernels<T>& kernels, const ConvolutionView& layer);
  std::size_t wide() const { return 0; }
  std::size_t joined() const { return 0; }
  std::size_t bytes() const;
  double flops_per_row(std::size_t) const;
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;
};

template <class T>
struct PoolPass {
  std::size_t outputs = 0, channels = 1;
  Windows windows;
  bool largest = false, count_padding = true;

  explicit PoolPass(const PoolView& layer);
  std::size_t wide() const { return 0; }
  std::size_t joined() const { return 0; }
  std::size_t bytes() const { return 0; }
  double flops_per_row(std::size_t) const {
    return static_cast<double>(outputs) * static_cast<double>(windows.places());
  }
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;
};

}  // namespace tensim
