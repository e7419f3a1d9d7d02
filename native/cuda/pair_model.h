#pragma once

#include <memory>
#include <vector>

#include "device.h"

namespace tensim::cuda {

enum class PairKind { kChain, kTwoBlock };

// A model on its device, of a method that takes pairs one at a time.
template <class Device>
struct PairModel : TensimCudaClosure {
  PairKind kind = PairKind::kChain;
  Device* device = nullptr;
  bool single = false;
  std::uint64_t inputs = 0, outputs = 0;
  std::vector<DeviceBuffer<Device, unsigned char>> memory;

  virtual ~PairModel() = default;

  void begin(Device& its_device, PairKind its_kind, bool is_single, std::uint64_t its_inputs,
             std::uint64_t its_outputs) {
    this->bytes = 0;
    device = &its_device;
    kind = its_kind;
    single = is_single;
    inputs = its_inputs;
    outputs = its_outputs;
  }

  // Room for `count` elements, or null.
  template <class T>
  T* allocate(std::uint64_t count) {
    if (count == 0) return nullptr;
    memory.emplace_back(*device, count * sizeof(T));
    this->bytes += memory.back().bytes();
    return reinterpret_cast<T*>(memory.back().data());
  }
  // `count` elements, or null.
  template <class T>
  const T* copy(const void* from, std::uint64_t count) {
    if (from == nullptr) return nullptr;
    T* const to = allocate<T>(count);
    if (to != nullptr) device->upload(to, from, count * sizeof(T));
    return to;
  }

  // Whether both may be in a tile, as far as any method asks.
  bool fits(const PairModel& other) const {
    return kind == other.kind && device == other.device && single == other.single && inputs == other.inputs &&
           outputs == other.outputs;
  }
};

}  // namespace tensim::cuda
