#pragma once

#include <deque>

#include "buffer_kernels.h"
#include "offsets_kernel.h"
#include "step.h"

namespace tensim::cuda {

// What all kinds of steps need of a running contraction: its device, its progress, and vectors of offsets.
template <class Device>
class Runner {
 public:
  Runner(Device& device, int (*report)(void*, std::uint64_t), void* context)
      : device(device), report_(report), context_(context) {}

  Device& device;

  // Launches a kernel that goes through so many index combinations. No more than a few launches wait in a row, so that
  // an abort is noticed in time.
  template <class Kernel>
  void launch(std::uint64_t blocks, const typename Kernel::Arguments& arguments, double points = 0) {
    if (blocks == 0) return;
    device.template launch<Kernel>(blocks, arguments);
    running_.push_back({device.moment(), points});
    while (running_.size() > kWaiting) finish_one();
  }

  void finish() {
    while (!running_.empty()) finish_one();
  }

 private:
  static constexpr std::size_t kWaiting = 4;
  struct Running {
    typename Device::Moment ended;
    double points;
  };

  void finish_one() {
    const Running first = std::move(running_.front());
    running_.pop_front();
    first.ended.wait();
    done_ += first.points;
    const auto whole = static_cast<std::uint64_t>(done_);
    done_ -= static_cast<double>(whole);
    if (report_ != nullptr && report_(context_, whole) != 0) throw DeviceError(TENSIM_CUDA_ABORTED, "aborted");
  }

  int (*const report_)(void*, std::uint64_t);
  void* const context_;
  std::deque<Running> running_;
  double done_ = 0;  // but not reported yet
};

// Vectors of the offsets of some loops, computed on the device and kept there as long as this is.
template <class Device>
class OffsetVectors {
 public:
  void add(const Loops& loops, OffsetsKernel::Stride stride) {
    OffsetsKernel::Vector& vector = arguments_.vectors[arguments_.count++];
    vector.begin = arguments_.list.count;
    for (const TensimCudaLoop& loop : loops) arguments_.list.loops[arguments_.list.count++] = loop;
    vector.end = arguments_.list.count;
    finish(vector, extent(loops), stride);
  }
  // Another stride of the loops added last.
  void again(OffsetsKernel::Stride stride) {
    OffsetsKernel::Vector& vector = arguments_.vectors[arguments_.count];
    vector = arguments_.vectors[arguments_.count - 1];
    ++arguments_.count;
    finish(vector, vector.size, stride);
  }

  void compute(Runner<Device>& runner) {
    memory_ = DeviceBuffer<Device, std::int64_t>(runner.device, arguments_.total);
    std::int64_t* to = memory_.data();
    for (std::uint32_t n = 0; n < arguments_.count; ++n) {
      arguments_.vectors[n].to = to;
      to += arguments_.vectors[n].size;
    }
    runner.template launch<OffsetsKernel>(OffsetsKernel::blocks(arguments_), arguments_);
  }
  // In the order in which they were added.
  const std::int64_t* operator[](std::uint32_t n) const { return arguments_.vectors[n].to; }

 private:
  void finish(OffsetsKernel::Vector& vector, std::uint64_t size, OffsetsKernel::Stride stride) {
    vector.size = size;
    vector.stride = stride;
    arguments_.total += size;
  }

  OffsetsKernel::Arguments arguments_{};
  DeviceBuffer<Device, std::int64_t> memory_;
};

}  // namespace tensim::cuda
