#pragma once

#include <optional>
#include <utility>

#include "launch.h"

namespace tensim::cuda {

// The quadratic part of a tile, launch after launch. Pairs are taken by squares of models whose panels lie one after
// the other on either side: the device reads each of them into its cache once for all, and a tile of four by four
// panels may hold several small models.
template <class Device, class T>
class PairRun {
 public:
  PairRun(Device& device, const Models<Device>& rows, const Models<Device>& columns, const TensimCudaTile& tile,
          Progress& progress)
      : device_(device),
        tile_(tile),
        progress_(progress),
        rows_(rows),
        columns_(columns),
        outputs_(rows.front()->outputs) {}

  double flops() const {
    double flops = 0;
    for (std::uint64_t i = 0; i < rows_.models.size(); ++i) {
      for (std::uint64_t j = first_column(i); j < columns_.models.size(); ++j) flops += pair_flops(i, j);
    }
    return flops;
  }

  void run() {
    std::fill(tile_.quadratic, tile_.quadratic + rows_.models.size() * columns_.models.size() * outputs_, 0.0);
    if (outputs_ == 0) return;
    const DeviceBuffer<Device, PairPanel<T>> rows(device_, rows_.panels), columns(device_, columns_.panels);
    row_panels_ = rows.data();
    column_panels_ = columns.data();
    for (const auto& [row, row_end] : rows_.sides) {
      for (const auto& [column, column_end] : columns_.sides) {
        if (tile_.symmetric != 0 && column < row) continue;
        if (!takes(row, row_end, column, column_end)) start();
        add(row, row_end, column, column_end);
      }
    }
    start();
    if (running_) finish(*running_);
  }

 private:
  using Kernel = PairKernel<T>;
  using Work = typename Kernel::Work;

  // Models of one side of the tile, their panels one after the other, and what of them makes a side of a square.
  struct Side {
    const Models<Device> models;
    std::vector<PairPanel<T>> panels;
    std::vector<std::uint32_t> first{0};  // panel of every model, and the number of all
    std::vector<std::pair<std::uint64_t, std::uint64_t>> sides;

    explicit Side(const Models<Device>& list) : models(list) {
      for (const Model<Device>* model : models) {
        const ModelData<Device, T>& data = model->template of<T>();
        const std::uint64_t octets = octets_of(model->outputs);
        for (std::uint64_t panel = 0; panel < model->panel_count; ++panel) {
          panels.push_back({data.panels.data() + panel * model->stages * kStagePairs<T>,
                            data.weights.data() + panel * octets * kOctet * kPanelUnits});
        }
        if (panels.size() > UINT32_MAX) throw DeviceError(TENSIM_CUDA_INVALID, "too many hidden units");
        first.push_back(static_cast<std::uint32_t>(panels.size()));
      }
      for (std::uint64_t model = 0; model < models.size();) {
        const std::uint64_t begin = model++;
        while (model < models.size() && first[model + 1] - first[begin] <= kSidePanels) ++model;
        sides.emplace_back(begin, model);
      }
    }

    std::uint32_t panels_of(std::uint64_t model) const { return first[model + 1] - first[model]; }
  };

  // Squares and what they take, not yet begun.
  struct Pending {
    std::vector<Work> work;
    std::vector<SumKernel::Group> groups;
    std::vector<std::uint64_t> places;  // in the result, of every group
    std::uint64_t parts = 0;
    double flops = 0;
  };
  struct Running {
    Launch<Device, Kernel> launch;
    std::vector<std::uint64_t> places;
    double flops;
  };

  // A quarter of this is 16: with as many columns, 16 tiles of either side share what they read, some 20 MB of the
  // cache where a model is large.
  static constexpr std::uint32_t kSidePanels = 64;

  std::uint64_t first_column(std::uint64_t row) const { return tile_.symmetric != 0 ? row : 0; }
  std::uint64_t part_size() const { return octets_of(outputs_) * kOctet; }

  double pair_flops(std::uint64_t i, std::uint64_t j) const {
    const Model<Device>&a = *rows_.models[i], &b = *columns_.models[j];
    return 2 * static_cast<double>(a.units) * static_cast<double>(b.units) *
           static_cast<double>(4 * a.depth + outputs_);
  }

  bool takes(std::uint64_t row, std::uint64_t row_end, std::uint64_t column, std::uint64_t column_end) const {
    if (pending_.work.empty()) return true;
    const std::uint64_t more =
        std::uint64_t{rows_.first[row_end] - rows_.first[row]} * (columns_.first[column_end] - columns_.first[column]);
    return pending_.flops < device_.limits.flops &&
           (pending_.parts + more) * part_size() * sizeof(double) <= device_.limits.workspace_bytes;
  }

  void add(std::uint64_t row, std::uint64_t row_end, std::uint64_t column, std::uint64_t column_end) {
    const std::uint32_t r0 = rows_.first[row], r1 = rows_.first[row_end], c0 = columns_.first[column],
                        c1 = columns_.first[column_end];
    const std::uint64_t stride = c1 - c0;
    // The last model that a tile's first row panel may be multiplied by; those before it are below the diagonal.
    std::uint64_t model = row;
    for (std::uint32_t r = r0; r < r1; r += kTilePanels) {
      while (rows_.first[model + 1] <= r) ++model;
      for (std::uint32_t c = c0; c < c1; c += kTilePanels) {
        const std::uint32_t last = std::min(c + kTilePanels, c1) - 1;
        if (tile_.symmetric != 0 && last < columns_.first[model]) continue;
        pending_.work.push_back(
            {r, std::min(r + kTilePanels, r1), c, last + 1, pending_.parts + (r - r0) * stride + (c - c0), stride});
      }
    }
    for (std::uint64_t i = row; i < row_end; ++i) {
      for (std::uint64_t j = std::max(first_column(i), column); j < column_end; ++j) {
        pending_.groups.push_back({pending_.parts + (rows_.first[i] - r0) * stride + (columns_.first[j] - c0), stride,
                                   rows_.panels_of(i), columns_.panels_of(j)});
        pending_.places.push_back(i * columns_.models.size() + j);
        pending_.flops += pair_flops(i, j);
      }
    }
    pending_.parts += stride * (r1 - r0);
  }

  // Begins what is pending, and takes over what ran before it: meanwhile the device has work.
  void start() {
    std::optional<Running> before = std::move(running_);
    running_.reset();
    if (!pending_.work.empty()) {
      const auto arguments = [&](const Work* work, double* parts) {
        return typename Kernel::Arguments{
            row_panels_,         column_panels_, work, pending_.work.size(), rows_.models.front()->stages,
            octets_of(outputs_), parts};
      };
      running_.emplace(
          Running{{device_, pending_.work, pending_.parts, part_size(), pending_.groups, outputs_, 1, arguments},
                  std::move(pending_.places),
                  pending_.flops});
    }
    pending_ = {};
    if (before) finish(*before);
  }

  void finish(const Running& ended) {
    const HostBuffer<Device, double> sums = ended.launch.sums(device_);
    for (std::size_t p = 0; p < ended.places.size(); ++p) {
      std::copy_n(sums.data() + p * outputs_, outputs_, tile_.quadratic + ended.places[p] * outputs_);
    }
    progress_.advance(ended.flops);
  }

  Device& device_;
  const TensimCudaTile& tile_;
  Progress& progress_;
  const Side rows_, columns_;
  const std::uint64_t outputs_;
  const PairPanel<T>*row_panels_ = nullptr, *column_panels_ = nullptr;
  Pending pending_;
  std::optional<Running> running_;
};

}  // namespace tensim::cuda
