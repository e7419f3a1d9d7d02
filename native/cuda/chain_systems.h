#pragma once

#include <list>
#include <vector>

#include "chain_task.h"
#include "device.h"

namespace tensim::cuda {

// Which systems a pair of attention blocks has: for all positions s and s', or with `last` for s' = s alone, the t that
// s sees and the t' that s' sees. Where only equal positions know of each other, systems without a common one are left
// out: their covariance is zero.
struct SystemKey {
  std::uint64_t positions;
  bool causal, causal2, alike, last;

  bool operator==(const SystemKey& other) const {
    return positions == other.positions && causal == other.causal && causal2 == other.causal2 && alike == other.alike &&
           last == other.last;
  }
};

// Systems in groups that are added up: one per (s, s'), or with `last` a single one.
inline void list_systems(const SystemKey& key, std::vector<ChainSystem>& systems, std::vector<ChainGroup>& groups) {
  const auto n = static_cast<std::uint32_t>(key.positions);
  for (std::uint32_t s = 0; s < n; ++s) {
    for (std::uint32_t s2 = key.last ? s : 0; s2 < (key.last ? s + 1 : n); ++s2) {
      if (!key.last || groups.empty()) {
        const auto begin = static_cast<std::uint32_t>(systems.size());
        groups.push_back({begin, begin, key.last ? 0 : s, key.last ? 0 : s2});
      }
      for (std::uint32_t t = 0; t < (key.causal ? s + 1 : n); ++t) {
        for (std::uint32_t t2 = 0; t2 < (key.causal2 ? s2 + 1 : n); ++t2) {
          const bool apart = s != s2 && s != t2 && t != s2 && t != t2;
          if (!key.alike || !apart) systems.push_back({s, t, s2, t2});
        }
      }
      groups.back().end = static_cast<std::uint32_t>(systems.size());
    }
  }
}

// The same on a device, kept there for all pairs of a tile.
template <class Device>
class DeviceSystems {
 public:
  struct Lists {
    SystemKey key;
    std::uint32_t system_count, group_count;
    DeviceBuffer<Device, ChainSystem> systems;
    DeviceBuffer<Device, ChainGroup> groups;
  };

  explicit DeviceSystems(Device& device) : device_(device) {}

  const Lists& of(const SystemKey& key) {
    for (const Lists& known : lists_) {
      if (known.key == key) return known;
    }
    std::vector<ChainSystem> systems;
    std::vector<ChainGroup> groups;
    list_systems(key, systems, groups);
    lists_.push_back({key,
                      static_cast<std::uint32_t>(systems.size()),
                      static_cast<std::uint32_t>(groups.size()),
                      {device_, systems},
                      {device_, groups}});
    return lists_.back();
  }

 private:
  Device& device_;
  std::list<Lists> lists_;
};

}  // namespace tensim::cuda
