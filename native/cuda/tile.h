#pragma once

#include "pair_run.h"
#include "vector_run.h"

namespace tensim::cuda {

// The products of a tile (interface.h, TensimCudaTile).
template <class Device, class T>
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
    if (tile_.linear == nullptr) return;
    for (std::uint64_t s = 0; s <= tile_.segments; ++s) {
      if (tile_.offsets[s] % kVectorAlign != 0) throw DeviceError(TENSIM_CUDA_INVALID, "a segment is not aligned");
    }
  }

  void run() {
    PairRun<Device, T> pairs(device_, rows_, columns_, tile_, progress_);
    progress_.total = pairs.flops();
    if (tile_.linear == nullptr) {
      pairs.run();
    } else {
      VectorRun<Device, T> vectors(device_, rows_, columns_, tile_, progress_);
      progress_.total += vectors.flops();
      pairs.run();
      vectors.run();
    }
    progress_.done = progress_.total;
    progress_.report();
  }

 private:
  static Models<Device> models(const TensimCudaModel* const* list, std::uint64_t count) {
    Models<Device> result;
    for (std::uint64_t i = 0; i < count; ++i) result.push_back(static_cast<const Model<Device>*>(list[i]));
    return result;
  }

  void check(const Model<Device>& first, const Model<Device>& model) const {
    if (model.device != first.device || model.single != first.single || model.outputs != first.outputs ||
        model.depth != first.depth) {
      throw DeviceError(TENSIM_CUDA_INVALID, "the models of a tile differ in device, element type, depth or outputs");
    }
    if (tile_.linear != nullptr && model.length != 0 && model.length != tile_.offsets[tile_.segments]) {
      throw DeviceError(TENSIM_CUDA_INVALID, "the vectors of a tile differ in length");
    }
  }

  Device& device_;
  const TensimCudaTile& tile_;
  Progress progress_;
  const Models<Device> rows_, columns_;
};

}  // namespace tensim::cuda
