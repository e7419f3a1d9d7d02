#pragma once

#include "../pair_model.h"

namespace tensim::cuda {

// A chain of at most two blocks on its device, as TensimCudaTwoBlock describes it.
template <class T>
struct TwoBlockFactors {
  const T *basis = nullptr, *forms = nullptr, *vectors = nullptr;
};

template <class Device>
struct TwoBlock : PairModel<Device> {
  std::uint64_t rank = 0, units = 0;
  bool linear_parts = false;
  double factor = 1;
  const double *down = nullptr, *mean = nullptr;
  TwoBlockFactors<double> f64;  // the one that `single` says is filled
  TwoBlockFactors<float> f32;

  template <class T>
  TwoBlockFactors<T>& of() {
    if constexpr (sizeof(T) == sizeof(double)) {
      return f64;
    } else {
      return f32;
    }
  }
  template <class T>
  const TwoBlockFactors<T>& of() const {
    return const_cast<TwoBlock*>(this)->template of<T>();
  }
};

template <class T, class Device>
void copy_two_block(const TensimCudaTwoBlock& source, TwoBlock<Device>& model) {
  const std::uint64_t r = source.rank, h = source.units, o = source.outputs;
  TwoBlockFactors<T>& factors = model.template of<T>();
  factors.basis = model.template copy<T>(source.basis, r * source.inputs);
  factors.forms = model.template copy<T>(source.forms, 2 * (h + o) * r * r);
  factors.vectors = model.template copy<T>(source.vectors, (2 * h + o) * r);
}

template <class Device>
std::unique_ptr<TwoBlock<Device>> make_two_block(Device& device, const TensimCudaTwoBlock& source) {
  auto model = std::make_unique<TwoBlock<Device>>();
  model->begin(device, PairKind::kTwoBlock, source.single != 0, source.inputs, source.outputs);
  model->rank = source.rank;
  model->units = source.units;
  model->linear_parts = source.linear_parts != 0;
  model->factor = source.factor;
  model->down = model->template copy<double>(source.down, source.outputs * source.units);
  model->mean = model->template copy<double>(source.mean, source.outputs);
  if (model->single) {
    copy_two_block<float>(source, *model);
  } else {
    copy_two_block<double>(source, *model);
  }
  return model;
}

}  // namespace tensim::cuda
