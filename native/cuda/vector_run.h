#pragma once

#include "launch.h"
#include "vector_kernel.h"

namespace tensim::cuda {

// The products of the vectors of a tile, launch after launch: blocks of models against one segment each.
template <class Device, class T>
class VectorRun {
 public:
  VectorRun(Device& device, const Models<Device>& rows, const Models<Device>& columns, const TensimCudaTile& tile,
            Progress& progress)
      : device_(device), tile_(tile), progress_(progress), rows_(vectors(rows)), columns_(vectors(columns)) {}

  double flops() const {
    return 2 * static_cast<double>(rows_.size()) * static_cast<double>(columns_.size()) *
           static_cast<double>(tile_.offsets[tile_.segments] - tile_.offsets[0]);
  }

  void run() {
    std::fill(tile_.linear, tile_.linear + rows_.size() * columns_.size() * tile_.segments, 0.0);
    const DeviceBuffer<Device, const T*> rows(device_, rows_), columns(device_, columns_);
    row_vectors_ = rows.data();
    column_vectors_ = columns.data();
    for (std::uint64_t segment = 0; segment < tile_.segments; ++segment) {
      for (std::uint64_t i = 0; i < rows_.size(); i += kVectorSide) {
        // Blocks wholly below the diagonal are left out: both sides are cut at the same models.
        for (std::uint64_t j = tile_.symmetric != 0 ? i : 0; j < columns_.size(); j += kVectorSide)
          add({i, j, segment});
      }
    }
    start();
  }

 private:
  using Kernel = VectorKernel<T>;
  using Work = typename Kernel::Work;
  static constexpr std::uint64_t kArea = kVectorSide * kVectorSide;

  struct Block {
    std::uint64_t row, column, segment;
  };

  static std::vector<const T*> vectors(const Models<Device>& models) {
    std::vector<const T*> result;
    for (const Model<Device>* model : models) result.push_back(model->template of<T>().vector.data());
    return result;
  }

  void add(const Block& block) {
    const std::uint64_t begin = tile_.offsets[block.segment], end = tile_.offsets[block.segment + 1];
    const std::uint64_t parts = (end - begin + kVectorPart - 1) / kVectorPart;
    const double flops = 2.0 * kArea * static_cast<double>(end - begin);
    const bool full = flops_ + flops > device_.limits.flops ||
                      (work_.size() + parts) * kArea * sizeof(double) > device_.limits.workspace_bytes;
    if (!blocks_.empty() && full) start();
    if (parts == 0) return;
    groups_.push_back({work_.size(), 1, static_cast<std::uint32_t>(parts), 1});
    for (std::uint64_t from = begin; from < end; from += kVectorPart) {
      work_.push_back({static_cast<std::uint32_t>(block.row), static_cast<std::uint32_t>(block.column), from,
                       std::min(from + kVectorPart, end)});
    }
    blocks_.push_back(block);
    flops_ += flops;
  }

  void start() {
    if (blocks_.empty()) return;
    const Launch<Device, Kernel> launch(device_, work_, work_.size(), kArea, groups_, kArea,
                                        [&](const Work* work, double* parts) {
                                          return typename Kernel::Arguments{row_vectors_,
                                                                            column_vectors_,
                                                                            static_cast<std::uint32_t>(rows_.size()),
                                                                            static_cast<std::uint32_t>(columns_.size()),
                                                                            work,
                                                                            work_.size(),
                                                                            parts};
                                        });
    const std::vector<double> sums = launch.sums(device_);
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const auto& [row, column, segment] = blocks_[b];
      for (std::uint64_t i = row; i < std::min<std::uint64_t>(rows_.size(), row + kVectorSide); ++i) {
        for (std::uint64_t j = column; j < std::min<std::uint64_t>(columns_.size(), column + kVectorSide); ++j) {
          tile_.linear[(i * columns_.size() + j) * tile_.segments + segment] =
              sums[b * kArea + (i - row) * kVectorSide + j - column];
        }
      }
    }
    const double flops = flops_;
    work_.clear();
    groups_.clear();
    blocks_.clear();
    flops_ = 0;
    progress_.advance(flops);
  }

  Device& device_;
  const TensimCudaTile& tile_;
  Progress& progress_;
  const std::vector<const T*> rows_, columns_;
  const T *const *row_vectors_ = nullptr, *const *column_vectors_ = nullptr;
  std::vector<Work> work_;
  std::vector<SumKernel::Group> groups_;
  std::vector<Block> blocks_;
  double flops_ = 0;
};

}  // namespace tensim::cuda
