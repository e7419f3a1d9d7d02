#pragma once

#include <algorithm>
#include <vector>

#include "model.h"
#include "sum_kernel.h"
#include "vector_kernel.h"

namespace tensim::cuda {

// The products of a tile (interface.h, TensimCudaTile), launch after launch: every launch is one grid over as many pairs, or blocks of
// vectors, as the limits of the device allow, and at least one. Which share a launch does not change a result.
template <class Device, class T>
class TileRun {
 public:
  TileRun(Device& device, const TensimCudaTile& tile)
      : device_(device),
        tile_(tile),
        rows_(models(tile.rows, tile.row_count)),
        columns_(models(tile.columns, tile.column_count)) {
    const Model<Device>& first = *rows_.front();
    outputs_ = first.outputs;
    for (const auto* list : {&rows_, &columns_}) {
      for (const Model<Device>* model : *list) check(first, *model);
    }
    for (std::uint64_t i = 0; i < rows_.size(); ++i) {
      for (std::uint64_t j = first_column(i); j < columns_.size(); ++j) total_ += pair_flops(i, j);
    }
    if (tile_.linear != nullptr) {
      const double pairs = static_cast<double>(rows_.size()) * static_cast<double>(columns_.size());
      for (std::uint64_t s = 0; s < tile_.segments; ++s) total_ += 2 * pairs * static_cast<double>(length_of(s));
    }
  }

  void run() {
    report();
    multiply_units();
    if (tile_.linear != nullptr) multiply_vectors();
    done_ = total_;
    report();
  }

 private:
  using PairWork = typename PairKernel<T>::Work;
  using VectorWork = typename VectorKernel<T>::Work;
  template <class Element>
  using Buffer = DeviceBuffer<Device, Element>;

  static std::vector<const Model<Device>*> models(const TensimCudaModel* const* list, std::uint64_t count) {
    std::vector<const Model<Device>*> result;
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

  std::uint64_t first_column(std::uint64_t row) const { return tile_.symmetric != 0 ? row : 0; }
  std::uint64_t length_of(std::uint64_t segment) const { return tile_.offsets[segment + 1] - tile_.offsets[segment]; }

  double pair_flops(std::uint64_t i, std::uint64_t j) const {
    const double units = static_cast<double>(rows_[i]->units) * static_cast<double>(columns_[j]->units);
    return 2 * units * static_cast<double>(4 * rows_[i]->depth + outputs_);
  }

  void report() const {
    if (tile_.report == nullptr) return;
    if (tile_.report(tile_.context, static_cast<std::uint64_t>(done_), static_cast<std::uint64_t>(total_)) != 0) {
      throw DeviceError(TENSIM_CUDA_ABORTED, "aborted");
    }
  }

  // --- The quadratic part -------------------------------------------------------------------------------------------------------------

  Buffer<PairModel<T>> on_device(const std::vector<const Model<Device>*>& models) const {
    std::vector<PairModel<T>> result;
    for (const Model<Device>* model : models) {
      const ModelData<Device, T>& data = model->template of<T>();
      result.push_back({data.panels.data(), data.weights.data(), model->panel_count});
    }
    return {device_, result};
  }

  // Pairs of one launch: their places in the result, their blocks, and where the blocks of each begin.
  struct PairLaunch {
    std::vector<std::uint64_t> places, first{0};
    std::vector<PairWork> work;
    double flops = 0;

    bool takes(const LaunchLimits& limits, std::uint64_t panels, double more, std::uint64_t outputs) const {
      const std::uint64_t bytes = (work.size() + panels) * outputs * (kPanelUnits + 1) * sizeof(double);
      return places.empty() || (flops + more <= limits.flops && bytes <= limits.workspace_bytes);
    }
  };

  void multiply_units() {
    std::fill(tile_.quadratic, tile_.quadratic + rows_.size() * columns_.size() * outputs_, 0.0);
    if (outputs_ == 0) return;
    const Buffer<PairModel<T>> rows = on_device(rows_), columns = on_device(columns_);
    PairLaunch launch;
    for (std::uint64_t i = 0; i < rows_.size(); ++i) {
      for (std::uint64_t j = first_column(i); j < columns_.size(); ++j) {
        const std::uint32_t panels = columns_[j]->units == 0 ? 0 : rows_[i]->panel_count;
        if (!launch.takes(device_.limits, panels, pair_flops(i, j), outputs_)) {
          finish(launch, rows, columns);
          launch = {};
        }
        for (std::uint32_t panel = 0; panel < panels; ++panel) {
          launch.work.push_back({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(j), panel});
        }
        launch.places.push_back(i * columns_.size() + j);
        launch.first.push_back(launch.work.size());
        launch.flops += pair_flops(i, j);
      }
    }
    finish(launch, rows, columns);
  }

  void finish(const PairLaunch& launch, const Buffer<PairModel<T>>& rows, const Buffer<PairModel<T>>& columns) {
    if (!launch.work.empty()) {
      const std::uint64_t blocks = launch.work.size();
      const Buffer<PairWork> work(device_, launch.work);
      const Buffer<double> running(device_, blocks * outputs_ * kPanelUnits), parts(device_, blocks * outputs_);
      device_.template launch<PairKernel<T>>(
          blocks, {rows.data(), columns.data(), work.data(), rows_.front()->padded_depth, outputs_, running.data(),
                   parts.data()});
      const std::vector<double> sums = add_up(parts, launch.first, outputs_);
      for (std::size_t p = 0; p < launch.places.size(); ++p) {
        std::copy_n(sums.data() + p * outputs_, outputs_, tile_.quadratic + launch.places[p] * outputs_);
      }
    }
    done_ += launch.flops;
    report();
  }

  std::vector<double> add_up(const Buffer<double>& parts, const std::vector<std::uint64_t>& first,
                             std::uint64_t width) {
    const std::uint64_t groups = first.size() - 1;
    const Buffer<std::uint64_t> begins(device_, first);
    const Buffer<double> sums(device_, groups * width);
    device_.template launch<SumKernel>(SumKernel::blocks(groups, width),
                                       {parts.data(), begins.data(), groups, width, sums.data()});
    return sums.download(device_);
  }

  // --- The vectors --------------------------------------------------------------------------------------------------------------------

  std::vector<const T*> vectors(const std::vector<const Model<Device>*>& models) const {
    std::vector<const T*> result;
    for (const Model<Device>* model : models) result.push_back(model->template of<T>().vector.data());
    return result;
  }

  // Blocks of models against one segment each; the blocks of a group are its parts.
  struct VectorLaunch {
    struct Group {
      std::uint64_t row, column, segment;
    };
    std::vector<Group> groups;
    std::vector<std::uint64_t> first{0};
    std::vector<VectorWork> work;
    double flops = 0;
  };

  void multiply_vectors() {
    std::fill(tile_.linear, tile_.linear + rows_.size() * columns_.size() * tile_.segments, 0.0);
    const Buffer<const T*> rows(device_, vectors(rows_)), columns(device_, vectors(columns_));
    constexpr std::uint64_t kArea = kVectorSide * kVectorSide;
    const LaunchLimits& limits = device_.limits;
    VectorLaunch launch;
    for (std::uint64_t segment = 0; segment < tile_.segments; ++segment) {
      const std::uint64_t parts = (length_of(segment) + kVectorPart - 1) / kVectorPart;
      for (std::uint64_t i = 0; i < rows_.size(); i += kVectorSide) {
        // Blocks wholly below the diagonal are left out: both sides are cut at the same models.
        for (std::uint64_t j = first_column(i); j < columns_.size(); j += kVectorSide) {
          const double flops = 2.0 * kArea * static_cast<double>(length_of(segment));
          const std::uint64_t bytes = (launch.work.size() + parts) * kArea * sizeof(double);
          if (!launch.groups.empty() && (launch.flops + flops > limits.flops || bytes > limits.workspace_bytes)) {
            finish(launch, rows, columns);
            launch = {};
          }
          for (std::uint64_t begin = tile_.offsets[segment]; begin < tile_.offsets[segment + 1]; begin += kVectorPart) {
            launch.work.push_back({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(j), begin,
                                   std::min(begin + kVectorPart, tile_.offsets[segment + 1])});
          }
          launch.groups.push_back({i, j, segment});
          launch.first.push_back(launch.work.size());
          launch.flops += flops;
        }
      }
    }
    finish(launch, rows, columns);
  }

  void finish(const VectorLaunch& launch, const Buffer<const T*>& rows, const Buffer<const T*>& columns) {
    if (launch.work.empty()) return;
    constexpr std::uint64_t kArea = kVectorSide * kVectorSide;
    const std::uint64_t blocks = launch.work.size();
    const Buffer<VectorWork> work(device_, launch.work);
    const Buffer<double> parts(device_, blocks * kArea);
    device_.template launch<VectorKernel<T>>(blocks,
                                             {rows.data(), columns.data(), static_cast<std::uint32_t>(rows_.size()),
                                              static_cast<std::uint32_t>(columns_.size()), work.data(), parts.data()});
    const std::vector<double> sums = add_up(parts, launch.first, kArea);
    for (std::size_t g = 0; g < launch.groups.size(); ++g) {
      const auto& [row, column, segment] = launch.groups[g];
      for (std::uint64_t i = row; i < std::min<std::uint64_t>(rows_.size(), row + kVectorSide); ++i) {
        for (std::uint64_t j = column; j < std::min<std::uint64_t>(columns_.size(), column + kVectorSide); ++j) {
          tile_.linear[(i * columns_.size() + j) * tile_.segments + segment] =
              sums[g * kArea + (i - row) * kVectorSide + j - column];
        }
      }
    }
    done_ = std::min(total_, done_ + launch.flops);
    report();
  }

  Device& device_;
  const TensimCudaTile& tile_;
  const std::vector<const Model<Device>*> rows_, columns_;
  std::uint64_t outputs_ = 0;
  double total_ = 0, done_ = 0;
};

}  // namespace tensim::cuda
