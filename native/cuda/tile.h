#pragma once

#include "pair_run.h"
#include "vector_run.h"

namespace tensim::cuda {

// The products of a tile (interface.h, TensimCudaTile).
template <class Device, class T, bool kTf32>
class TileRun {
 public:
  TileRun(Device& device, const TensimCudaTile& tile)
      : device_(device),
        tile_(tile),
        progress_{tile.report, tile.context},
        rows_(models(tile.rows, tile.row_count)),
        columns_(models(tile.columns, tile.column_count)) {
    for (const auto* list : {&rows_, &columns_}) {
      for (const Model<Device>* model : *list) check(*rows_.front(), *model);
    }
    if (tile_.offsets == nullptr) return;
    if (tile_.segments != rows_.front()->outputs) {
      throw DeviceError(TENSIM_CUDA_INVALID, "the vectors of a tile have another number of segments than outputs");
    }
    for (std::uint64_t s = 0; s <= tile_.segments; ++s) {
      if (tile_.offsets[s] % kVectorAlign != 0) throw DeviceError(TENSIM_CUDA_INVALID, "a segment is not aligned");
    }
  }

  void run() {
    PairRun<Device, T, kTf32> pairs(device_, rows_, columns_, tile_, progress_);
    progress_.total = pairs.flops();
    if (tile_.offsets == nullptr) {
      pairs.run(0, rows_.size(), nullptr);
    } else {
      VectorRun<Device, T, kTf32> vectors(device_, rows_, columns_, tile_, progress_);
      progress_.total += vectors.flops();
      const std::vector<Band> bands = bands_of(pairs.cuts());
      std::uint64_t rows = 0;
      for (const auto& [begin, end] : bands) rows = std::max(rows, end - begin);
      const DeviceBuffer<Device, double> products(device_, rows * columns_.size() * tile_.segments);
      for (const auto& [begin, end] : bands) {
        vectors.run(begin, end, products.data());
        pairs.run(begin, end, products.data());
      }
    }
    pairs.finish();
    progress_.done = progress_.total;
    progress_.report();
  }

 private:
  // Products of vectors wait on the device for what is added to them: of so many rows at a time as this takes, in
  // workspaces of a launch.
  static constexpr std::uint64_t kBandWorkspaces = 4;
  using Band = std::pair<std::uint64_t, std::uint64_t>;

  // Rows between cuts, at least one such step each.
  std::vector<Band> bands_of(const std::vector<std::uint64_t>& cuts) const {
    const std::uint64_t row = columns_.size() * tile_.segments * sizeof(double);
    const std::uint64_t most = kBandWorkspaces * device_.limits.workspace_bytes / std::max<std::uint64_t>(1, row);
    std::vector<Band> bands;
    for (std::size_t i = 1; i < cuts.size(); ++i) {
      if (bands.empty() || cuts[i] - bands.back().first > most) bands.emplace_back(cuts[i - 1], cuts[i]);
      bands.back().second = cuts[i];
    }
    return bands;
  }

  static Models<Device> models(const TensimCudaModel* const* list, std::uint64_t count) {
    Models<Device> result;
    for (std::uint64_t i = 0; i < count; ++i) result.push_back(static_cast<const Model<Device>*>(list[i]));
    return result;
  }

  void check(const Model<Device>& first, const Model<Device>& model) const {
    if (model.device != first.device || model.single != first.single || model.tf32 != first.tf32 ||
        model.outputs != first.outputs || model.depth != first.depth) {
      throw DeviceError(TENSIM_CUDA_INVALID, "the models of a tile differ in device, element type, depth or outputs");
    }
    if (tile_.offsets != nullptr && model.length != 0 && model.length != tile_.offsets[tile_.segments]) {
      throw DeviceError(TENSIM_CUDA_INVALID, "the vectors of a tile differ in length");
    }
  }

  Device& device_;
  const TensimCudaTile& tile_;
  Progress progress_;
  const Models<Device> rows_, columns_;
};

}  // namespace tensim::cuda
