#pragma once

#include <optional>

#include "launch.h"
#include "vector_kernel.h"

namespace tensim::cuda {

// The products of the vectors of a tile, launch after launch: of as many segments as one block of models may take, and
// of as many blocks.
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
    for (std::uint64_t first = 0; first < tile_.segments; first = pending_.end) {
      pending_.first = first;
      pending_.end = segments_from(first);
      for (std::uint64_t i = 0; i < rows_.size(); i += kVectorSide) {
        // Blocks wholly below the diagonal are left out: both sides are cut at the same models.
        for (std::uint64_t j = tile_.symmetric != 0 ? i : 0; j < columns_.size(); j += kVectorSide) {
          pending_.blocks.push_back({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(j)});
          if (!takes(pending_.first, pending_.end, pending_.blocks.size() + 1)) start();
        }
      }
      start();
    }
    if (running_) finish(*running_);
  }

 private:
  using Kernel = VectorKernel<T>;
  using Work = typename Kernel::Work;
  static constexpr std::uint64_t kArea = kVectorSide * kVectorSide;
  // Of a segment at most so many parts are made, of at least so many elements; float32 adds up no longer ones without a
  // sum in double.
  static constexpr std::uint64_t kParts = 256, kShortestPart = 8192,
                                 kLongestPart = sizeof(T) < sizeof(double) ? 65536 : UINT64_MAX;

  // The first models of both sides.
  struct Block {
    std::uint32_t row, column;
  };
  // Blocks of models, and the segments of all of them.
  struct Pending {
    std::vector<Block> blocks;
    std::uint64_t first = 0, end = 0;
  };
  struct Running {
    Launch<Device, Kernel> launch;
    Pending what;
  };

  static std::vector<const T*> vectors(const Models<Device>& models) {
    std::vector<const T*> result;
    for (const Model<Device>* model : models) result.push_back(model->template of<T>().vector.data());
    return result;
  }

  std::uint64_t length_of(std::uint64_t segment) const { return tile_.offsets[segment + 1] - tile_.offsets[segment]; }

  // Depends on nothing but the length, and so do the sums.
  static std::uint64_t part_of(std::uint64_t length) {
    const std::uint64_t part = (length + kParts - 1) / kParts;
    return std::clamp((part + kStage<T> - 1) / kStage<T> * kStage<T>, kShortestPart, kLongestPart);
  }
  std::uint64_t parts_of(std::uint64_t segment) const {
    const std::uint64_t length = length_of(segment), part = part_of(length);
    return (length + part - 1) / part;
  }

  double flops_of(std::uint64_t first, std::uint64_t end, std::uint64_t blocks) const {
    return 2.0 * kArea * static_cast<double>(blocks) * static_cast<double>(tile_.offsets[end] - tile_.offsets[first]);
  }

  bool takes(std::uint64_t first, std::uint64_t end, std::uint64_t blocks) const {
    std::uint64_t values = (end - first) * kArea;
    for (std::uint64_t segment = first; segment < end; ++segment) values += parts_of(segment) * kArea;
    return flops_of(first, end, blocks) <= device_.limits.flops &&
           blocks * values * sizeof(double) <= device_.limits.workspace_bytes;
  }

  // As many segments as a launch of one block takes, at least one.
  std::uint64_t segments_from(std::uint64_t first) const {
    std::uint64_t end = first + 1;
    while (end < tile_.segments && takes(first, end + 1, 1)) ++end;
    return end;
  }

  // Begins what is pending, and takes over what ran before it: meanwhile the device has work.
  void start() {
    if (pending_.blocks.empty()) return;
    std::optional<Running> before = std::move(running_);
    running_.reset();
    const std::uint64_t blocks = pending_.blocks.size(), count = pending_.end - pending_.first;
    std::vector<Work> work;
    std::vector<SumKernel::Group> groups(blocks * count);
    for (std::uint64_t s = 0; s < count; ++s) {
      const std::uint64_t segment = pending_.first + s, part = part_of(length_of(segment));
      for (std::uint64_t b = 0; b < blocks; ++b) {
        groups[b * count + s] = {work.size() + b, blocks, static_cast<std::uint32_t>(parts_of(segment)), 1};
      }
      // What is read for one block is still in the cache for the next.
      for (std::uint64_t from = tile_.offsets[segment]; from < tile_.offsets[segment + 1]; from += part) {
        const std::uint64_t end = std::min(from + part, tile_.offsets[segment + 1]);
        for (const Block& block : pending_.blocks) work.push_back({block.row, block.column, from, end});
      }
    }
    if (!work.empty()) {
      const auto arguments = [&](const Work* on_device, double* parts) {
        const auto row_count = static_cast<std::uint32_t>(rows_.size()),
                   column_count = static_cast<std::uint32_t>(columns_.size());
        return typename Kernel::Arguments{row_vectors_, column_vectors_, row_count, column_count,
                                          on_device,    work.size(),     parts};
      };
      running_.emplace(Running{{device_, work, work.size(), kArea, groups, kArea, count, arguments}, pending_});
    }
    pending_.blocks.clear();
    if (before) finish(*before);
  }

  void finish(const Running& ended) {
    const HostBuffer<Device, double> sums = ended.launch.sums(device_);
    const Pending& what = ended.what;
    const std::uint64_t count = what.end - what.first;
    const double* from = sums.data();
    for (const auto& [row, column] : what.blocks) {
      const std::uint64_t row_end = std::min<std::uint64_t>(rows_.size(), std::uint64_t{row} + kVectorSide),
                          column_end = std::min<std::uint64_t>(columns_.size(), std::uint64_t{column} + kVectorSide);
      for (std::uint64_t i = row; i < row_end; ++i) {
        for (std::uint64_t j = column; j < column_end; ++j) {
          std::copy_n(from + ((i - row) * kVectorSide + j - column) * count, count,
                      tile_.linear + (i * columns_.size() + j) * tile_.segments + what.first);
        }
      }
      from += kArea * count;
    }
    progress_.advance(flops_of(what.first, what.end, what.blocks.size()));
  }

  Device& device_;
  const TensimCudaTile& tile_;
  Progress& progress_;
  const std::vector<const T*> rows_, columns_;
  const T *const *row_vectors_ = nullptr, *const *column_vectors_ = nullptr;
  Pending pending_;
  std::optional<Running> running_;
};

}  // namespace tensim::cuda
