#pragma once

#include "numbers.h"
#include "sides.h"

namespace tensim::cuda {

template <class Device, class T>
struct UnitsData {
  DeviceBuffer<Device, PiecePair<T>> rows, down;
  DeviceBuffer<Device, T> p, q;
};

// A block of units on its device.
template <class Device>
struct Units : TensimCudaUnits {
  Device* device = nullptr;
  bool single = false, tf32 = false, gated = false, stepped = false;
  std::uint64_t depth = 0, units = 0, outputs = 0, terms = 2;
  std::uint64_t row_stages = 0, down_stages = 0;
  std::uint64_t padded = 0;  // units in whole tiles
  DeviceBuffer<Device, double> tails, shares;
  UnitsData<Device, double> f64;  // the one that `single` says is filled
  UnitsData<Device, float> f32;

  template <class T>
  UnitsData<Device, T>& of() {
    if constexpr (sizeof(T) == sizeof(double)) {
      return f64;
    } else {
      return f32;
    }
  }
  template <class T>
  const UnitsData<Device, T>& of() const {
    return const_cast<Units*>(this)->template of<T>();
  }

  std::uint64_t groups() const { return padded / kUnitsGroup; }

  // Degree after degree, as the kernels read them.
  void measure(const TensimCudaUnitsTails& source) {
    const std::uint64_t own = (units + kUnitsGroup - 1) / kUnitsGroup;
    std::vector<double> sums((terms - 1) * groups(), 0.0), parts(groups(), 0.0);
    std::copy_n(source.shares, own, parts.data());
    for (std::uint64_t group = 0; group < own; ++group) {
      for (std::uint64_t n = 0; n + 1 < terms; ++n) {
        sums[n * groups() + group] = source.sums[group * (terms - 1) + n];
      }
    }
    tails = {*device, sums};
    shares = {*device, parts};
  }
};

template <class T>
std::uint64_t stages_of(std::uint64_t depth) {
  return std::max<std::uint64_t>(1, (depth + kStage<T> - 1) / kStage<T>);
}

// (units, terms − 1) to (terms − 1, padded).
template <class T>
std::vector<T> by_degree(const double* values, std::uint64_t units, std::uint64_t terms, std::uint64_t padded) {
  std::vector<T> result((terms - 1) * padded, T(0));
  for (std::uint64_t i = 0; i < units; ++i) {
    for (std::uint64_t n = 0; n + 1 < terms; ++n) {
      result[n * padded + i] = static_cast<T>(values[i * (terms - 1) + n]);
    }
  }
  return result;
}

template <class T, class Device>
void fill_units(Device& device, const TensimCudaUnitsSource& source, Units<Device>& model) {
  UnitsData<Device, T>& data = model.template of<T>();
  model.row_stages = stages_of<T>(source.depth);
  model.down_stages = stages_of<T>(source.outputs);
  if (source.units == 0) return;
  using Pack = PackRowsKernel<T>;
  const auto pack = [&](const double* left, const double* right, std::uint64_t left_count, std::uint64_t right_count,
                        std::uint64_t depth, std::uint64_t row_stride, std::uint64_t step_stride,
                        std::uint64_t stages) {
    const std::uint64_t steps = stages * kStageSteps<T>,
                        pairs = (left_count + kPanelUnits - 1) / kPanelUnits * steps * kStepPairs<T>;
    DeviceBuffer<Device, PiecePair<T>> panels(device, pairs);
    device.template launch<Pack>(blocks_for<Pack>(pairs), {left, right, left_count, right_count, depth, row_stride,
                                                           step_stride, steps, pairs, panels.data()});
    return panels;
  };
  const std::uint64_t units = source.units, depth = source.depth, odd = units / 2, even = units - odd;
  {
    const auto directions = numbers_on(device, source.directions, units, depth, source.lengths);
    if (model.gated) {
      const auto across = numbers_on(device, source.across, units, depth, nullptr, source.along, directions.data());
      data.rows = pack(directions.data(), across.data(), units, units, depth, depth, 1, model.row_stages);
    } else {
      data.rows = pack(directions.data(), directions.data() + depth, even, odd, depth, 2 * depth, 1, model.row_stages);
    }
  }
  const auto down = numbers_on(device, source.down, source.outputs, units);
  data.down = pack(down.data(), down.data() + 1, even, odd, source.outputs, 2, units, model.down_stages);
  data.p = {device, by_degree<T>(source.p, units, source.terms, model.padded)};
  if (model.gated) data.q = {device, by_degree<T>(source.q, units, source.terms, model.padded)};
  model.measure(source.tails);
  model.bytes = data.rows.bytes() + data.down.bytes() + data.p.bytes() + data.q.bytes() + model.tails.bytes() +
                model.shares.bytes();
}

template <class Device>
std::unique_ptr<Units<Device>> make_units(Device& device, const TensimCudaUnitsSource& source) {
  auto model = std::make_unique<Units<Device>>();
  if (source.terms < 2) throw DeviceError(TENSIM_CUDA_INVALID, "series begin at degree 2");
  if (source.units > UINT32_MAX - kTileUnits) throw DeviceError(TENSIM_CUDA_INVALID, "too many units");
  model->device = &device;
  model->single = source.single != 0;
  model->tf32 = source.single == TENSIM_CUDA_TF32;
  model->gated = source.gated != 0;
  model->stepped = source.stepped != 0;
  model->depth = source.depth;
  model->units = source.units;
  model->outputs = source.outputs;
  model->terms = source.terms;
  model->padded = (source.units + kTileUnits - 1) / kTileUnits * kTileUnits;
  if (model->single) {
    fill_units<float>(device, source, *model);
  } else {
    fill_units<double>(device, source, *model);
  }
  return model;
}

}  // namespace tensim::cuda
