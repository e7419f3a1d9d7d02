#pragma once

#include "pair_model.h"

namespace tensim::cuda {

// A stage of a chain on its device: factors as they come (TensimCudaStage), and moments, which are made there
// (preparation/plan.h). What a stage does not have is null.
template <class T>
struct ChainStage {
  bool attention = false, causal = false, independent = false, has_down = false;
  std::uint64_t width = 0, outputs = 0, units = 0, slopes = 0, heads = 0, size = 0, after_rows = 0;
  T alpha = 0, beta = 1;
  const T *factors = nullptr, *down = nullptr, *output = nullptr, *after = nullptr;

  // (positions, heads, 5, size, width), and of these vectors what ChainTask has of a model.
  T *projection = nullptr, *own = nullptr, *means = nullptr;
  // Bilinear: (outputs, slopes·width), of one position that stands for all, of every position or, where it is zero, of
  // none. Attention, without the residual: (positions·outputs, positions·width).
  T* jacobian = nullptr;

  std::uint64_t inner() const { return heads * size; }
  std::uint64_t visible_count(std::uint64_t s, std::uint64_t positions) const { return causal ? s + 1 : positions; }
  // Columns of a matrix of Jacobians, and where that of a position begins.
  std::uint64_t jacobian_row() const { return slopes * width; }
  const T* jacobian_at(std::uint64_t s) const { return jacobian + (slopes == 1 ? 0 : s * width); }
};

template <class T>
struct ChainFactors {
  const T* front = nullptr;
  std::vector<ChainStage<T>> stages;
};

template <class Device>
struct Chain : PairModel<Device> {
  std::uint64_t positions = 1, width = 0;
  double front_factor = 1, factor = 1;
  ChainFactors<double> f64;  // the one that `single` says is filled
  ChainFactors<float> f32;

  template <class T>
  ChainFactors<T>& of() {
    if constexpr (sizeof(T) == sizeof(double)) {
      return f64;
    } else {
      return f32;
    }
  }
  template <class T>
  const ChainFactors<T>& of() const {
    return const_cast<Chain*>(this)->template of<T>();
  }
};

template <class T, class Device>
void copy_factors(const TensimCudaChain& source, Chain<Device>& chain) {
  const auto copy = [&](const void* from, std::uint64_t count) { return chain.template copy<T>(from, count); };
  ChainFactors<T>& factors = chain.template of<T>();
  factors.front = copy(source.front, source.width * source.inputs);
  for (std::uint64_t i = 0; i < source.stage_count; ++i) {
    const TensimCudaStage& from = source.stages[i];
    ChainStage<T> stage;
    stage.attention = from.attention != 0;
    stage.causal = from.causal != 0;
    stage.has_down = from.has_down != 0;
    stage.width = from.width;
    stage.outputs = from.outputs;
    stage.units = from.units;
    stage.heads = from.heads;
    stage.size = from.size;
    stage.after_rows = from.after_rows;
    stage.alpha = static_cast<T>(from.alpha);
    stage.beta = static_cast<T>(from.beta);
    stage.factors = copy(from.factors, 2 * stage.units * stage.width);
    stage.down = copy(from.down, stage.outputs * stage.units);
    stage.output = copy(from.output, stage.outputs * stage.inner());
    stage.after = copy(from.after, stage.after_rows * stage.outputs);
    factors.stages.push_back(stage);
  }
}

}  // namespace tensim::cuda
