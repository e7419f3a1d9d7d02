#pragma once

#include <cstddef>
#include <vector>

#include "../../core/context.h"

namespace tensim {

// Devices that share tiles: a model is on each of them, and a tile takes those of one.
using CudaDevices = std::vector<int>;

// make(device) of every device, at the same time: what goes to one does not wait for the others.
template <class Pointer, class Make>
std::vector<Pointer> on_each(const Context& context, const CudaDevices& devices, const Make& make) {
  std::vector<Pointer> models(devices.size());
  context.parallel_for(devices.size(), [&](std::size_t i) { models[i] = make(devices[i]); });
  return models;
}

}  // namespace tensim
