#pragma once

#include <array>
#include <optional>
#include <utility>

#include "cell_kernel.h"
#include "launch.h"
#include "pair_kernel.h"

namespace tensim::cuda {

// Inner products of a tile, launch after launch. Pairs are taken by squares of models whose panels lie one after the
// other on either side: the device reads each of them into its cache once for all, and a tile of four by four panels
// may hold several small models. What leaves the device is finished.
template <class Device, class T, bool kTf32>
class PairRun {
 public:
  PairRun(Device& device, const Models<Device>& rows, const Models<Device>& columns, const TensimCudaTile& tile,
          Progress& progress)
      : device_(device),
        tile_(tile),
        progress_(progress),
        rows_(device, rows, tile.row_constants),
        columns_(device, columns, tile.column_constants),
        outputs_(rows.front()->outputs) {}

  double flops() const {
    double flops = 0;
    for (const auto& row : rows_.spans) {
      for (const auto& column : columns_.spans) flops += square_flops(row, column);
    }
    return flops;
  }

  // The first models of squares, and the number of all.
  std::vector<std::uint64_t> cuts() const {
    std::vector<std::uint64_t> result{0};
    for (const Span& span : rows_.spans) result.push_back(span.end);
    return result;
  }

  // Begins the pairs of the row models [first, end), which are cuts; `vectors` are the products of their vectors, from
  // the row `first` on, or null. They may be written anew by what is launched after that.
  void run(std::uint64_t first, std::uint64_t end, const double* vectors) {
    for (const Span& row : rows_.spans) {
      if (row.begin < first || row.begin >= end) continue;
      for (const Span& column : columns_.spans) {
        if (tile_.symmetric != 0 && column.begin < row.begin) continue;
        if (!takes(row, column)) start(first, vectors);
        add(row, column);
      }
    }
    start(first, vectors);
  }

  // Takes over the last results.
  void finish() {
    if (running_) finish(*running_);
    running_.reset();
  }

 private:
  using Kernel = PairKernel<T, kTf32>;
  using Work = typename Kernel::Work;

  // Models that make a side of a square.
  struct Span {
    std::uint64_t begin, end;
    double units = 0, squares = 0;  // of hidden units of each
  };

  // Models of one side of the tile, and their panels, one after the other.
  struct Side {
    std::uint64_t depth = 0, stages = 0;
    std::vector<std::uint32_t> first{0};  // panel of every model, and the number of all
    std::vector<Span> spans;
    DeviceBuffer<Device, PairPanel<T>> panels;
    DeviceBuffer<Device, std::uint32_t> panels_of_models;
    DeviceBuffer<Device, double> constants;

    Side(Device& device, const Models<Device>& models, const double* constant_parts)
        : depth(models.front()->depth), stages(models.front()->stages) {
      std::vector<PairPanel<T>> list;
      for (const Model<Device>* model : models) {
        const ModelData<Device, T>& data = model->template of<T>();
        const std::uint64_t octets = octets_of(model->outputs);
        for (std::uint64_t panel = 0; panel < model->panel_count; ++panel) {
          list.push_back({data.panels.data() + panel * model->stages * kStagePairs<T>,
                          data.weights.data() + panel * octets * kOctet * kPanelUnits});
        }
        if (list.size() > UINT32_MAX) throw DeviceError(TENSIM_CUDA_INVALID, "too many hidden units");
        first.push_back(static_cast<std::uint32_t>(list.size()));
      }
      for (std::uint64_t model = 0; model < models.size();) {
        Span span{model, model};
        do {
          const auto units = static_cast<double>(models[model++]->units);
          span.units += units;
          span.squares += units * units;
        } while (model < models.size() && model - span.begin < kSideModels &&
                 first[model + 1] - first[span.begin] <= kSidePanels);
        span.end = model;
        spans.push_back(span);
      }
      panels = {device, list};
      panels_of_models = {device, first};
      if (constant_parts == nullptr) return;
      constants = {device, constant_parts, models.size() * models.front()->outputs};
    }
  };

  // Squares and what they take, not yet begun.
  struct Pending {
    std::vector<Work> work;
    std::vector<CellTask> squares;
    std::vector<std::uint64_t> blocks;  // of the cell kernel, the first of every square
    std::uint64_t block_count = 0, shares = 0, cells = 0;
    double flops = 0;
  };
  // What a launch works with; of two, one is at work while the other is read.
  struct Workspace {
    ReusedBuffer<Device, Work> work;
    ReusedBuffer<Device, CellTask> squares;
    ReusedBuffer<Device, std::uint64_t> blocks;
    ReusedBuffer<Device, double> shares, totals, slices;
  };
  struct Running {
    Workspace* workspace;
    typename Device::Moment ended;
    std::vector<CellTask> squares;
    std::uint64_t cells;
    double flops;
  };

  // A quarter of this is 16: with as many columns, 16 tiles of either side share what they read, some 20 MB of the
  // cache where a model is large.
  static constexpr std::uint32_t kSidePanels = 64;
  static constexpr std::uint64_t kSideModels = 64;

  std::uint64_t share_size() const { return octets_of(outputs_) * kOctet; }
  std::uint64_t values_of_cell() const { return 1 + (tile_.slices != nullptr ? outputs_ : 0); }

  double square_flops(const Span& row, const Span& column) const {
    if (tile_.symmetric != 0 && column.begin < row.begin) return 0;
    const bool diagonal = tile_.symmetric != 0 && column.begin == row.begin;
    const double units = diagonal ? (row.units * row.units + row.squares) / 2 : row.units * column.units;
    return 2 * units * static_cast<double>(4 * rows_.depth + outputs_);
  }

  bool takes(const Span& row, const Span& column) const {
    if (pending_.squares.empty()) return true;
    const std::uint64_t shares = std::uint64_t{rows_.first[row.end] - rows_.first[row.begin]} *
                                 (columns_.first[column.end] - columns_.first[column.begin]),
                        cells = (row.end - row.begin) * (column.end - column.begin);
    return pending_.flops < device_.limits.flops &&
           ((pending_.shares + shares) * share_size() + (pending_.cells + cells) * values_of_cell()) * sizeof(double) <=
               device_.limits.workspace_bytes;
  }

  void add(const Span& row, const Span& column) {
    const std::uint32_t r0 = rows_.first[row.begin], r1 = rows_.first[row.end], c0 = columns_.first[column.begin],
                        c1 = columns_.first[column.end];
    const std::uint64_t stride = c1 - c0;
    // The last model that a tile's first row panel may be multiplied by; those before it are below the diagonal.
    std::uint64_t model = row.begin;
    for (std::uint32_t r = r0; outputs_ > 0 && r < r1; r += kTilePanels) {
      while (rows_.first[model + 1] <= r) ++model;
      for (std::uint32_t c = c0; c < c1; c += kTilePanels) {
        const std::uint32_t last = std::min(c + kTilePanels, c1) - 1;
        if (tile_.symmetric != 0 && last < columns_.first[model]) continue;
        pending_.work.push_back(
            {r, std::min(r + kTilePanels, r1), c, last + 1, pending_.shares + (r - r0) * stride + (c - c0), stride});
      }
    }
    const auto number = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
    const CellTask square{number(row.begin), number(row.end), number(column.begin), number(column.end),
                          pending_.shares,   stride,          pending_.cells};
    pending_.squares.push_back(square);
    pending_.blocks.push_back(pending_.block_count);
    pending_.block_count += CellKernel::blocks(square, outputs_);
    pending_.shares += stride * (r1 - r0);
    pending_.cells += square.cells();
    pending_.flops += square_flops(row, column);
  }

  // Begins what is pending, and takes over what ran before it: meanwhile the device has work.
  void start(std::uint64_t first_row, const double* vectors) {
    if (pending_.squares.empty()) return;
    std::optional<Running> before = std::move(running_);
    Workspace& own = workspaces_[launches_++ % workspaces_.size()];
    double* const shares = own.shares.room(device_, pending_.shares * share_size());
    if (!pending_.work.empty()) {
      device_.template launch<Kernel>(
          std::min<std::uint64_t>(pending_.work.size(), device_.processors()),
          {rows_.panels.data(), columns_.panels.data(), own.work.put(device_, pending_.work), pending_.work.size(),
           rows_.stages, octets_of(outputs_), shares});
    }
    const TaskList<CellTask> squares{own.squares.put(device_, pending_.squares),
                                     own.blocks.put(device_, pending_.blocks),
                                     static_cast<std::uint32_t>(pending_.squares.size())};
    const bool slices = tile_.slices != nullptr && outputs_ > 0;
    device_.template launch<CellKernel>(
        pending_.block_count,
        {squares, rows_.panels_of_models.data(), columns_.panels_of_models.data(), shares, share_size(), outputs_,
         vectors, first_row, tile_.column_count, rows_.constants.data(), columns_.constants.data(), tile_.weight,
         tile_.factor, tile_.symmetric != 0, own.totals.room(device_, pending_.cells),
         slices ? own.slices.room(device_, pending_.cells * outputs_) : nullptr});
    running_.emplace(Running{&own, device_.moment(), std::move(pending_.squares), pending_.cells, pending_.flops});
    pending_ = {};
    if (before) finish(*before);
  }

  void finish(const Running& ended) {
    if (tile_.total != nullptr) place(ended, ended.workspace->totals, 1, tile_.total);
    if (tile_.slices != nullptr && outputs_ > 0) place(ended, ended.workspace->slices, outputs_, tile_.slices);
    progress_.advance(ended.flops);
  }

  // Values of cells to where they belong, mirrored where the tile is symmetric.
  void place(const Running& ended, const ReusedBuffer<Device, double>& from, std::uint64_t width, double* to) {
    const HostBuffer<Device, double> values = from.download(device_, ended.cells * width, ended.ended);
    const std::uint64_t across = tile_.column_count;
    for (const CellTask& square : ended.squares) {
      const std::uint64_t columns = square.column_end - square.column;
      const double* const cells = values.data() + square.cell * width;
      for (std::uint64_t i = square.row; i < square.row_end; ++i) {
        const std::uint64_t j = tile_.symmetric != 0 ? std::max<std::uint64_t>(i, square.column) : square.column;
        std::copy_n(cells + ((i - square.row) * columns + j - square.column) * width, (square.column_end - j) * width,
                    to + (i * across + j) * width);
      }
      if (tile_.symmetric == 0) continue;
      for (std::uint64_t j = square.column; j < square.column_end; ++j) {
        for (std::uint64_t i = square.row; i < std::min<std::uint64_t>(j, square.row_end); ++i) {
          std::copy_n(cells + ((i - square.row) * columns + j - square.column) * width, width,
                      to + (j * across + i) * width);
        }
      }
    }
  }

  Device& device_;
  const TensimCudaTile& tile_;
  Progress& progress_;
  const Side rows_, columns_;
  const std::uint64_t outputs_;
  std::array<Workspace, 2> workspaces_;
  std::uint64_t launches_ = 0;
  Pending pending_;
  std::optional<Running> running_;
};

}  // namespace tensim::cuda
