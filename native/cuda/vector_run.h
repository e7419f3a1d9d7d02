#pragma once

#include <array>
#include <deque>

#include "launch.h"
#include "vector_kernel.h"

namespace tensim::cuda {

// The products of the vectors of a tile, launch after launch: of as many segments as one block of models may take, and
// of as many blocks. They stay on the device.
template <class Device, class T, bool kTf32>
class VectorRun {
 public:
  VectorRun(Device& device, const Models<Device>& rows, const Models<Device>& columns, const TensimCudaTile& tile,
            Progress& progress)
      : device_(device),
        tile_(tile),
        progress_(progress),
        row_count_(rows.size()),
        column_count_(columns.size()),
        rows_(device, vectors(rows)),
        columns_(device, vectors(columns)) {}

  double flops() const { return flops_of({0, 0, row_count_, column_count_, tile_.symmetric != 0}, 0, tile_.segments); }

  // Begins the products of the row models [first, end): (row models, columns, segments).
  void run(std::uint64_t first, std::uint64_t end, double* products) {
    target_ = {first, end, products};
    const std::uint64_t rows = end - first, smaller = std::min(rows, column_count_);
    if (tile_.symmetric == 0) {
      if (smaller <= Few::kRows) return multiply<Few>(blocks<Few>(false));
      if (smaller <= Some::kRows) return multiply<Some>(blocks<Some>(false));
      return multiply<Many>(blocks<Many>(false));
    }
    const std::uint64_t columns = column_count_ - first;
    if (columns <= FewOfThem::kRows) return multiply<FewOfThem>(blocks<FewOfThem>(true));
    if (columns <= SeveralOfThem::kRows) return multiply<SeveralOfThem>(blocks<SeveralOfThem>(true));
    if (columns <= SomeOfThem::kRows) return multiply<SomeOfThem>(blocks<SomeOfThem>(true));
    multiply<ManyOfThem>(blocks<ManyOfThem>(true));
    multiply<Many>(blocks<Many>(false));
  }

 private:
  // Blocks of models with others, and of models with themselves. Which ones are taken changes no bit.
  using Few = VectorShape<1, 2, 1, 1, false, 4, 4, 6>;
  using Some = VectorShape<2, 4, 2, 2, false, 4, 2, 2>;
  using Many = VectorShape<4, sizeof(T) < sizeof(double) ? 4 : 3, 2, 4, false, 3, 2, 1>;  // what registers hold
  using FewOfThem = VectorShape<1, 2, 1, 1, true, 4, 8, 6>;
  using SeveralOfThem = VectorShape<1, 2, 2, 2, true, 4, 4, 4>;
  using SomeOfThem = VectorShape<1, 2, 4, 4, true, 4, 4, 2>;
  using ManyOfThem = VectorShape<2, 4, 4, 4, true, 3, 4, 1>;

  // Of a segment at most so many parts are made, of at least so many elements; float32 adds up no longer ones without a
  // sum in double.
  static constexpr std::uint64_t kParts = 1024, kShortestPart = 3840,
                                 kLongestPart = sizeof(T) < sizeof(double) ? 65536 : std::uint64_t{1} << 31;

  // Models of either side, and whether they are the same.
  struct Block {
    std::uint64_t row, column, row_end, column_end;
    bool same;
  };
  struct Target {
    std::uint64_t first, end;
    double* products;
  };
  // What a launch works with; of two, one is at work while the other is filled.
  struct Workspace {
    ReusedBuffer<Device, unsigned char> work;
    ReusedBuffer<Device, VectorSumKernel::Group> groups;
    ReusedBuffer<Device, double> parts;
  };
  struct Running {
    typename Device::Moment ended;
    double flops;
  };

  static std::vector<const T*> vectors(const Models<Device>& models) {
    std::vector<const T*> result;
    for (const Model<Device>* model : models) result.push_back(model->template of<T>().vector.data());
    return result;
  }

  std::uint64_t length_of(std::uint64_t segment) const { return tile_.offsets[segment + 1] - tile_.offsets[segment]; }

  // Depends on nothing but the length, and so do the sums.
  static std::uint64_t part_of(std::uint64_t length) {
    constexpr std::uint64_t kUnit = kFolded * kLine<T>;
    const std::uint64_t part = (length + kParts - 1) / kParts;
    return std::clamp((part + kUnit - 1) / kUnit * kUnit, kShortestPart, kLongestPart);
  }
  std::uint64_t parts_of(std::uint64_t segment) const {
    const std::uint64_t length = length_of(segment), part = part_of(length);
    return (length + part - 1) / part;
  }

  double flops_of(const Block& block, std::uint64_t first, std::uint64_t end) const {
    const double rows = static_cast<double>(block.row_end - block.row),
                 columns = static_cast<double>(block.column_end - block.column);
    return (block.same ? rows * (rows + 1) : 2 * rows * columns) *
           static_cast<double>(tile_.offsets[end] - tile_.offsets[first]);
  }

  // Of the models that are wanted: those on the diagonal, or all others. Both are cut at the same models.
  template <class Shape>
  std::vector<Block> blocks(bool diagonal) const {
    std::vector<Block> result;
    for (std::uint64_t i = target_.first; i < target_.end; i += Shape::kRows) {
      const std::uint64_t row_end = std::min(i + Shape::kRows, target_.end);
      if (diagonal) {
        // Of a band that ends within the block the columns go on.
        const std::uint64_t column_end = std::min(i + Shape::kRows, column_count_);
        result.push_back({i, i, row_end, column_end, row_end == column_end});
        continue;
      }
      const std::uint64_t first = tile_.symmetric != 0 ? i + Shape::kRows : 0;
      for (std::uint64_t j = first; j < column_count_; j += Shape::kColumns) {
        result.push_back({i, j, row_end, std::min(j + Shape::kColumns, column_count_), false});
      }
    }
    return result;
  }

  template <class Shape>
  bool takes(std::uint64_t first, std::uint64_t end, std::uint64_t blocks) const {
    std::uint64_t parts = 0;
    for (std::uint64_t segment = first; segment < end; ++segment) parts += parts_of(segment);
    const double flops = 2.0 * Shape::kArea * static_cast<double>(tile_.offsets[end] - tile_.offsets[first]);
    return flops * static_cast<double>(blocks) <= device_.limits.flops &&
           blocks * parts * Shape::kArea * sizeof(double) <= device_.limits.workspace_bytes;
  }

  template <class Shape>
  void multiply(const std::vector<Block>& blocks) {
    for (std::uint64_t first = 0, end = 0; first < tile_.segments; first = end) {
      end = first + 1;
      while (end < tile_.segments && takes<Shape>(first, end + 1, 1)) ++end;
      for (std::uint64_t block = 0, next = 0; block < blocks.size(); block = next) {
        next = block + 1;
        while (next < blocks.size() && takes<Shape>(first, end, next + 1 - block)) ++next;
        start<Shape>(
            {blocks.begin() + static_cast<std::ptrdiff_t>(block), blocks.begin() + static_cast<std::ptrdiff_t>(next)},
            first, end);
      }
    }
  }

  // Begins the products of some blocks in some segments. One launch is always ahead of the one that is waited for.
  template <class Shape>
  void start(const std::vector<Block>& blocks, std::uint64_t first, std::uint64_t end) {
    using Kernel = VectorKernel<T, Shape, kTf32>;
    using Work = typename Kernel::Work;
    while (running_.size() >= workspaces_.size()) finish_one();
    std::vector<Work> work;
    std::vector<VectorSumKernel::Group> groups;
    const auto number = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
    double flops = 0;
    for (const Block& block : blocks) flops += flops_of(block, first, end);
    for (std::uint64_t segment = first; segment < end; ++segment) {
      const std::uint64_t part = part_of(length_of(segment));
      for (std::uint64_t b = 0; b < blocks.size(); ++b) {
        groups.push_back({work.size() + b, blocks.size(), number(parts_of(segment)), number(blocks[b].row),
                          number(blocks[b].column), number(segment)});
      }
      // What is read for one block is still in the cache for the next.
      for (std::uint64_t from = tile_.offsets[segment]; from < tile_.offsets[segment + 1]; from += part) {
        const std::uint32_t length = number(std::min(part, tile_.offsets[segment + 1] - from));
        for (const Block& block : blocks) work.push_back({number(block.row), number(block.column), from, length});
      }
    }
    Workspace& own = workspaces_[launches_++ % workspaces_.size()];
    double* const parts = own.parts.room(device_, work.size() * Shape::kArea);
    const std::uint32_t row_end = number(target_.end), column_end = number(column_count_);
    if (!work.empty()) {
      auto* const on_device = reinterpret_cast<Work*>(own.work.room(device_, work.size() * sizeof(Work)));
      device_.upload(on_device, work.data(), work.size() * sizeof(Work));
      device_.template launch<Kernel>(
          std::min<std::uint64_t>(work.size(), device_.processors() * Shape::kResident),
          {rows_.data(), columns_.data(), row_end, column_end, on_device, work.size(), parts});
    }
    device_.template launch<VectorSumKernel>(
        VectorSumKernel::blocks(groups.size(), Shape::kArea),
        {parts, own.groups.put(device_, groups), Shape::kRows, Shape::kColumns, number(target_.first), row_end,
         column_end, tile_.symmetric != 0, tile_.segments, target_.products});
    running_.push_back({device_.moment(), flops});
  }

  void finish_one() {
    running_.front().ended.wait();
    progress_.advance(running_.front().flops);
    running_.pop_front();
  }

  Device& device_;
  const TensimCudaTile& tile_;
  Progress& progress_;
  const std::uint64_t row_count_, column_count_;
  const DeviceBuffer<Device, const T*> rows_, columns_;
  Target target_{};
  std::array<Workspace, 2> workspaces_;
  std::uint64_t launches_ = 0;
  std::deque<Running> running_;
};

}  // namespace tensim::cuda
