#pragma once

#include <algorithm>
#include <cstdint>

#include "device.h"

namespace tensim::cuda {

// How far a tile is, in flops.
struct Progress {
  int (*callback)(void* context, std::uint64_t done, std::uint64_t total);
  void* context;
  double done = 0, total = 0;

  void advance(double flops) {
    done = std::min(total, done + flops);
    report();
  }
  void report() const {
    if (callback == nullptr) return;
    if (callback(context, static_cast<std::uint64_t>(done), static_cast<std::uint64_t>(total)) != 0) {
      throw DeviceError(TENSIM_CUDA_ABORTED, "aborted");
    }
  }
};

}  // namespace tensim::cuda
