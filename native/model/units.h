#pragma once

#include <cstddef>
#include <vector>

#include "passes.h"

namespace tensim {

// φ of the units of a layer.
struct UnitActivation {
  Activation activation;
  std::vector<double> slopes;  // of prelu, else empty

  UnitActivation(const Activation& activation, const MatrixView& slopes, std::size_t units);
  std::size_t bytes() const { return slopes.size() * sizeof(double); }
  // Of `count` rows of `width` units, one row after the other.
  template <class T>
  void apply(T* rows, std::size_t count, std::size_t width) const;
};

template <class T>
struct ActivationPass {
  std::size_t outputs = 0;
  UnitActivation phi;

  ActivationPass(const MicroKernels<T>& kernels, const ActivationView& layer);
  std::size_t wide() const { return 0; }
  std::size_t joined() const { return 0; }
  std::size_t bytes() const { return phi.bytes(); }
  double flops_per_row(std::size_t) const { return static_cast<double>(outputs); }
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;
};

// What follows the units of a block: α x + β (D units + c) + S x.
template <class T>
struct BehindUnits {
  bool has_down = false, has_skip = false;
  PackedMap<T> down, skip;
  T alpha = 0, beta = 1;

  // `View`: HiddenView or GatedView
  template <class View>
  BehindUnits(const MicroKernels<T>& kernels, const View& layer);
  std::size_t bytes() const { return down.bytes() + skip.bytes(); }
  double flops_per_row() const { return down.flops_per_row() + skip.flops_per_row(); }
  // Into scratch.y, which holds the units where there is no D.
  void apply(const MicroKernels<T>& kernels, const T* units, std::size_t rows, std::size_t outputs,
             ForwardScratch<T>& scratch) const;
};

template <class T>
struct HiddenPass {
  std::size_t outputs = 0, units = 0;
  PackedMap<T> weight;
  UnitActivation phi;
  BehindUnits<T> behind;

  HiddenPass(const MicroKernels<T>& kernels, const HiddenView& layer);
  std::size_t wide() const { return behind.has_down ? units : 0; }
  std::size_t joined() const { return behind.has_skip ? outputs : 0; }
  std::size_t bytes() const { return weight.bytes() + phi.bytes() + behind.bytes(); }
  double flops_per_row(std::size_t) const { return weight.flops_per_row() + behind.flops_per_row(); }
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;
};

template <class T>
struct GatedPass {
  std::size_t outputs = 0, units = 0;
  PackedMap<T> sides;  // W over U
  UnitActivation phi;
  BehindUnits<T> behind;

  GatedPass(const MicroKernels<T>& kernels, const GatedView& layer);
  std::size_t wide() const { return 2 * units; }
  std::size_t joined() const { return behind.has_skip && outputs > units ? outputs : units; }
  std::size_t bytes() const { return sides.bytes() + phi.bytes() + behind.bytes(); }
  double flops_per_row(std::size_t) const { return sides.flops_per_row() + behind.flops_per_row(); }
  void apply(const Context& context, std::size_t rows, std::size_t positions, ForwardScratch<T>& scratch) const;
};

}  // namespace tensim
