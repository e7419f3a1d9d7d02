#pragma once

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "../launch.h"
#include "listed_kernel.h"
#include "units_kernel.h"
#include "units_model.h"

namespace tensim::cuda {

// What a tile of interface.h is made of, on the device: sides, of gated pairs and of others, and what every pair has.
template <class Device, class T>
struct UnitsPairs {
  struct Pair {
    const Units<Device>*row, *column;
    typename ListedKernel<T>::Pair sides;
    bool same() const { return row == column; }
  };
  std::vector<Pair> pairs;
  DeviceBuffer<Device, UnitsSide<T>> sides;
  DeviceBuffer<Device, typename ListedKernel<T>::Pair> on_device;
  std::uint64_t depth = 0, outputs = 0;
  std::uint32_t row_stages = 0, down_stages = 0;
};

// Sums of every pair, series and listed units apart: their order then does not depend on what a launch has taken.
struct UnitsSums {
  std::vector<double> quadratic, higher, bound, slices;
  UnitsSums(std::uint64_t pairs, std::uint64_t outputs, bool sliced)
      : quadratic(pairs), higher(pairs), bound(pairs), slices(sliced ? pairs * outputs : 0) {}
};

// All pairs that have gates, or all that have none, launch after launch. A launch takes whole rows of tiles of pairs,
// which are added up by themselves; what they list is taken by the host while the next launch is at work.
template <class Device, class T, bool kGated, bool kTf32>
class UnitsPass {
 public:
  UnitsPass(Device& device, const UnitsPairs<Device, T>& pairs, const TensimCudaUnitsTile& tile, Progress& progress,
            UnitsSums& series, UnitsSums& listed)
      : device_(device),
        pairs_(pairs),
        tile_(tile),
        progress_(progress),
        series_(series),
        listed_(listed),
        sliced_(tile.slices != nullptr) {}

  double flops() const {
    double flops = 0;
    for_rows([&](const Row& row) { flops += row.flops; });
    return flops;
  }

  void run() {
    for_rows([&](const Row& row) {
      if (!takes(row)) start();
      pending_.rows.push_back(row);
      pending_.tiles += row.columns;
      pending_.flops += row.flops;
    });
    start();
    if (running_) finish(*running_);
  }

 private:
  using Kernel = UnitsKernel<T, kGated, kTf32>;
  using Slices = UnitsSliceKernel<T, kGated>;
  using ListedSlices = ListedSlicesKernel<T>;
  using Work = UnitsWork;

  // A row of tiles of a pair.
  struct Row {
    std::uint32_t pair, tile, first_column, columns;
    double flops;
  };
  struct Pending {
    std::vector<Row> rows;
    std::uint64_t tiles = 0;
    double flops = 0;
  };
  struct Running {
    Pending taken;
    std::vector<Work> work;
    std::vector<SumKernel::Group> groups;
    std::uint32_t capacity;
    DeviceBuffer<Device, T> area;
    DeviceBuffer<Device, ListedUnits> listed;
    DeviceBuffer<Device, std::uint32_t> count;
    std::optional<Launch<Device, Kernel>> launch;
    DeviceBuffer<Device, double> slice_parts, slices;
    DeviceBuffer<Device, SumKernel::Group> slice_groups;
    typename Device::Moment ended;
  };

  // Listed units that there is room for at first.
  static constexpr std::uint32_t kCapacity = 1 << 14;
  // Tiles of a launch: so many that their ends do not count, and so few that all their units could be listed.
  static constexpr std::uint64_t kTilesEach = 32;
  // Columns of tiles that are taken with all rows of a launch before the next ones, while they stay in the cache.
  static constexpr std::uint32_t kTogether = 12;

  static std::uint32_t tiles_of(const Units<Device>& units) {
    return static_cast<std::uint32_t>(units.padded / kTileUnits);
  }

  template <class Take>
  void for_rows(const Take& take) const {
    for (std::uint32_t p = 0; p < pairs_.pairs.size(); ++p) {
      const auto& pair = pairs_.pairs[p];
      if ((pair.sides.gated != 0) != kGated || pair.column->units == 0 || pairs_.outputs == 0) continue;
      const std::uint32_t columns = tiles_of(*pair.column);
      for (std::uint32_t tile = 0; tile < tiles_of(*pair.row); ++tile) {
        const std::uint32_t first = pair.same() ? tile : 0;
        const auto units = [](const Units<Device>& of, std::uint64_t from, std::uint64_t tiles) {
          return static_cast<double>(std::min(of.units, (from + tiles) * kTileUnits) - from * kTileUnits);
        };
        const double area = units(*pair.row, tile, 1) * units(*pair.column, first, columns - first);
        take(Row{p, tile, first, columns - first,
                 2 * area * static_cast<double>((kGated ? 4 : 1) * pairs_.depth + pairs_.outputs)});
      }
    }
  }

  bool takes(const Row& row) const {
    if (pending_.rows.empty()) return true;
    const std::uint64_t bytes = sliced_ ? kTileArea * sizeof(T) + pairs_.outputs * sizeof(double) : 0;
    const std::uint64_t tiles = pending_.tiles + row.columns;
    return pending_.flops < device_.limits.flops && tiles <= kTilesEach * device_.processors() &&
           tiles * bytes <= device_.limits.workspace_bytes;
  }

  // Begins what is pending, and takes over what ran before it: meanwhile the device has work.
  void start() {
    std::optional<Running> before = std::move(running_);
    running_.reset();
    if (!pending_.rows.empty()) {
      running_.emplace();
      running_->taken = std::move(pending_);
      running_->capacity = kCapacity;
      plan(*running_);
      begin(*running_);
    }
    pending_ = {};
    if (before) finish(*before);
  }

  void plan(Running& running) const {
    std::uint32_t part = 0, most = 0;
    std::vector<std::uint32_t> first_parts;
    for (const Row& row : running.taken.rows) {
      running.groups.push_back({part, 0, 1, row.columns});
      first_parts.push_back(part);
      part += row.columns;
      most = std::max(most, row.first_column + row.columns);
    }
    for (std::uint32_t from = 0; from < most; from += kTogether) {
      for (std::size_t at = 0; at < running.taken.rows.size(); ++at) {
        const Row& row = running.taken.rows[at];
        const auto& pair = pairs_.pairs[row.pair];
        const std::uint32_t end = std::min(from + kTogether, row.first_column + row.columns);
        for (std::uint32_t column = std::max(from, row.first_column); column < end; ++column) {
          running.work.push_back({pair.sides.row, pair.sides.column, row.tile, column, row.pair,
                                  first_parts[at] + column - row.first_column,
                                  static_cast<std::uint32_t>(std::min(pair.row->terms, pair.column->terms)),
                                  static_cast<std::uint16_t>(pair.same()),
                                  static_cast<std::uint16_t>(pair.row->stepped || pair.column->stepped)});
        }
      }
    }
  }

  void begin(Running& running) {
    const auto tiles = static_cast<std::uint32_t>(running.work.size());
    running.launch.reset();
    running.area = {device_, (sliced_ ? tiles : std::min<std::uint64_t>(tiles, device_.processors())) * kTileArea};
    running.listed = {device_, running.capacity};
    running.count = {device_, std::vector<std::uint32_t>{0}};
    const Work* work = nullptr;
    running.launch.emplace(device_, running.work, tiles, Kernel::kPartSize, running.groups, Kernel::kSums, 1,
                           [&](const Work* on_device, double* parts) {
                             work = on_device;
                             return typename Kernel::Arguments{pairs_.sides.data(),
                                                               on_device,
                                                               tiles,
                                                               pairs_.row_stages,
                                                               pairs_.down_stages,
                                                               tile_.tolerance,
                                                               running.area.data(),
                                                               sliced_ ? 1u : 0u,
                                                               running.capacity,
                                                               running.listed.data(),
                                                               running.count.data(),
                                                               parts};
                           });
    if (sliced_) {
      const std::uint64_t outputs = pairs_.outputs, groups = running.groups.size();
      running.slice_parts = {device_, outputs * tiles};
      running.slices = {device_, groups * outputs};
      running.slice_groups = {device_, running.groups};
      device_.template launch<Slices>(Slices::blocks(tiles, outputs),
                                      {pairs_.sides.data(), work, tiles, outputs, pairs_.down_stages,
                                       running.area.data(), running.slice_parts.data()});
      device_.template launch<SumKernel>(SumKernel::blocks(groups, outputs),
                                         {running.slice_parts.data(), outputs, running.slice_groups.data(), groups,
                                          outputs, 1, running.slices.data()});
    }
    running.ended = device_.moment();
  }

  template <class Element>
  std::vector<Element> fetch(const Element* from, std::uint64_t count, const typename Device::Moment& after) {
    if (count == 0) return {};
    const HostBuffer<Device, Element> found(device_.download(from, count * sizeof(Element), after));
    return {found.data(), found.data() + count};
  }

  void finish(Running& running) {
    std::uint32_t count = fetch(running.count.data(), 1, running.ended)[0];
    if (count > running.capacity) {
      running.capacity = count;
      begin(running);
      count = fetch(running.count.data(), 1, running.ended)[0];
    }
    const auto sums = running.launch->sums(device_);
    const std::vector<double> slices =
        fetch(running.slices.data(), sliced_ ? running.groups.size() * pairs_.outputs : 0, running.ended);
    for (std::size_t at = 0; at < running.taken.rows.size(); ++at) {
      const std::uint32_t pair = running.taken.rows[at].pair;
      series_.quadratic[pair] += sums.data()[at * Kernel::kSums];
      series_.higher[pair] += sums.data()[at * Kernel::kSums + 1];
      series_.bound[pair] += sums.data()[at * Kernel::kSums + 2];
      add(slices, at, pair, series_);
    }
    if (count > 0) take_listed(fetch(running.listed.data(), count, running.ended));
    progress_.advance(running.taken.flops);
  }

  void add(const std::vector<double>& slices, std::size_t at, std::uint32_t pair, UnitsSums& sums) const {
    for (std::uint64_t c = 0; sliced_ && c < pairs_.outputs; ++c) {
      sums.slices[pair * pairs_.outputs + c] += slices[at * pairs_.outputs + c];
    }
  }

  // In the order of their places, whatever it was that they came in.
  void take_listed(std::vector<ListedUnits> listed) {
    std::sort(listed.begin(), listed.end(), [](const ListedUnits& a, const ListedUnits& b) {
      return std::tie(a.pair, a.row, a.column) < std::tie(b.pair, b.row, b.column);
    });
    const std::uint64_t count = listed.size();
    using Listed = ListedKernel<T>;
    const DeviceBuffer<Device, ListedUnits> on_device(device_, listed);
    const DeviceBuffer<Device, typename Listed::Entry> made(device_, count);
    device_.template launch<Listed>(
        blocks_for<Listed>(count), {pairs_.sides.data(), pairs_.on_device.data(), on_device.data(), count, pairs_.depth,
                                    pairs_.outputs, pairs_.row_stages, pairs_.down_stages, made.data()});
    const std::vector<typename Listed::Entry> found = fetch(made.data(), count, device_.moment());
    std::vector<TensimCudaUnitsEntry> entries;
    for (std::uint64_t at = 0; at < count; ++at) {
      const typename Listed::Entry& one = found[at];
      entries.push_back({listed[at].row, listed[at].column, static_cast<std::int32_t>(listed[at].negative), one.gap,
                         one.kappa, one.kappa_prime, one.nu});
    }
    std::vector<double> quadratic(count), higher(count), values(count);
    for (std::uint64_t first = 0, end = 0; first < count; first = end) {
      const std::uint32_t pair = listed[first].pair;
      while (end < count && listed[end].pair == pair) ++end;
      if (tile_.closed(tile_.context, pair, end - first, entries.data() + first, quadratic.data() + first,
                       higher.data() + first) != 0) {
        throw DeviceError(TENSIM_CUDA_ABORTED, "aborted");
      }
      for (std::uint64_t at = first; at < end; ++at) {
        listed_.quadratic[pair] += found[at].weight * quadratic[at];
        listed_.higher[pair] += found[at].weight * higher[at];
        values[at] = quadratic[at] + higher[at];
      }
    }
    if (sliced_) slice_listed(listed, on_device, values);
  }

  void slice_listed(const std::vector<ListedUnits>& listed, const DeviceBuffer<Device, ListedUnits>& on_device,
                    const std::vector<double>& values) {
    std::vector<typename ListedSlices::Group> groups;  // by rows of tiles
    for (std::uint32_t at = 0; at < listed.size(); ++at) {
      const bool begins = at == 0 || listed[at].pair != listed[at - 1].pair ||
                          listed[at].row / kTileUnits != listed[at - 1].row / kTileUnits;
      if (begins) groups.push_back({listed[at].pair, at, at});
      groups.back().end = at + 1;
    }
    const std::uint64_t outputs = pairs_.outputs;
    const DeviceBuffer<Device, double> weights(device_, values), sums(device_, groups.size() * outputs);
    const DeviceBuffer<Device, typename ListedSlices::Group> groups_on_device(device_, groups);
    device_.template launch<ListedSlices>(
        blocks_for<ListedSlices>(groups.size() * outputs),
        {pairs_.sides.data(), pairs_.on_device.data(), on_device.data(), weights.data(), groups_on_device.data(),
         groups.size(), outputs, pairs_.down_stages, sums.data()});
    const std::vector<double> slices = fetch(sums.data(), groups.size() * outputs, device_.moment());
    for (std::size_t at = 0; at < groups.size(); ++at) add(slices, at, groups[at].pair, listed_);
  }

  Device& device_;
  const UnitsPairs<Device, T>& pairs_;
  const TensimCudaUnitsTile& tile_;
  Progress& progress_;
  UnitsSums &series_, &listed_;
  const bool sliced_;
  Pending pending_;
  std::optional<Running> running_;
};

}  // namespace tensim::cuda
