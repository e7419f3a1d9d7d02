#pragma once

#include <map>

#include "units_pass.h"

namespace tensim::cuda {

// The products of a tile (interface.h, TensimCudaUnitsTile).
template <class Device, class T, bool kTf32>
class UnitsRun {
 public:
  UnitsRun(Device& device, const TensimCudaUnitsTile& tile)
      : device_(device), tile_(tile), progress_{tile.report, tile.context} {
    const auto& first = static_cast<const Units<Device>&>(*tile.rows[0]);
    pairs_.depth = first.depth;
    pairs_.outputs = first.outputs;
    pairs_.row_stages = static_cast<std::uint32_t>(stages_of<T>(first.depth));
    pairs_.down_stages = static_cast<std::uint32_t>(stages_of<T>(first.outputs));
    std::vector<typename ListedKernel<T>::Pair> pairs;
    for (std::uint64_t p = 0; p < tile.pair_count; ++p) {
      const auto &row = static_cast<const Units<Device>&>(*tile.rows[p]),
                 &column = static_cast<const Units<Device>&>(*tile.columns[p]);
      check(first, row);
      check(first, column);
      const bool gated = row.gated || column.gated;
      pairs.push_back({side_of(row, gated), side_of(column, gated), gated ? 1u : 0u});
      pairs_.pairs.push_back({&row, &column, pairs.back()});
    }
    pairs_.sides = {device, sides_};
    pairs_.on_device = {device, pairs};
  }

  void run() {
    const std::uint64_t count = tile_.pair_count, outputs = pairs_.outputs;
    const bool sliced = tile_.slices != nullptr;
    UnitsSums series(count, outputs, sliced), listed(count, outputs, sliced);
    UnitsPass<Device, T, false, kTf32> hidden(device_, pairs_, tile_, progress_, series, listed);
    UnitsPass<Device, T, true, kTf32> gated(device_, pairs_, tile_, progress_, series, listed);
    progress_.total = hidden.flops() + gated.flops();
    hidden.run();
    gated.run();
    for (std::uint64_t p = 0; p < count; ++p) {
      const double times = pairs_.pairs[p].same() ? 2 : 1;  // those below the diagonal
      tile_.quadratic[p] = times * (series.quadratic[p] + listed.quadratic[p]);
      tile_.higher[p] = times * (series.higher[p] + listed.higher[p]);
      tile_.bound[p] = times * series.bound[p];
      for (std::uint64_t at = p * outputs; sliced && at < (p + 1) * outputs; ++at) {
        tile_.slices[at] = times * (series.slices[at] + listed.slices[at]);
      }
    }
    progress_.done = progress_.total;
    progress_.report();
  }

 private:
  static void check(const Units<Device>& first, const Units<Device>& model) {
    if (model.device != first.device || model.single != first.single || model.tf32 != first.tf32 ||
        model.outputs != first.outputs || model.depth != first.depth) {
      throw DeviceError(TENSIM_CUDA_INVALID, "the units of a tile differ in device, element type, depth or outputs");
    }
  }

  // Where a model is among the sides; beside gates one without them is given some that are zero.
  std::uint32_t side_of(const Units<Device>& model, bool gated) {
    const auto [known, added] = places_.try_emplace({&model, gated}, static_cast<std::uint32_t>(sides_.size()));
    if (!added) return known->second;
    const UnitsData<Device, T>& data = model.template of<T>();
    UnitsSide<T> side{data.rows.data(),
                      data.down.data(),
                      data.p.data(),
                      data.q.data(),
                      model.tails.data(),
                      model.shares.data(),
                      static_cast<std::uint32_t>(model.units),
                      static_cast<std::uint32_t>(model.padded)};
    if (gated && !model.gated && model.units > 0) {
      using Widen = WidenUnitsKernel<T>;
      const std::uint64_t pairs = (model.units + kPanelUnits - 1) / kPanelUnits * model.row_stages * kStagePairs<T>;
      wide_.emplace_back(device_, pairs);
      zeros_.emplace_back(device_, std::vector<T>((model.terms - 1) * model.padded, T(0)));
      device_.template launch<Widen>(blocks_for<Widen>(pairs),
                                     {side.rows, model.row_stages, model.units, pairs, wide_.back().data()});
      side.rows = wide_.back().data();
      side.q = zeros_.back().data();
    }
    sides_.push_back(side);
    return known->second;
  }

  Device& device_;
  const TensimCudaUnitsTile& tile_;
  Progress progress_;
  UnitsPairs<Device, T> pairs_;
  std::map<std::pair<const Units<Device>*, bool>, std::uint32_t> places_;
  std::vector<UnitsSide<T>> sides_;
  std::vector<DeviceBuffer<Device, PiecePair<T>>> wide_;
  std::vector<DeviceBuffer<Device, T>> zeros_;
};

}  // namespace tensim::cuda
