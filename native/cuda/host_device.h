#pragma once

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "device.h"
#include "grid.h"

namespace tensim::cuda {

// The host in the place of a GPU, for tests: kernels run block after block and thread after thread, in memory that
// begins as garbage, and memory that was not given back is counted.
class HostDevice {
 public:
  LaunchLimits limits;
  ThreadOrder order = ThreadOrder::kForward;
  std::size_t limit = SIZE_MAX;  // bytes that may be allocated at a time
  static std::uint64_t processors() { return 3; }
  std::size_t used() const { return used_; }

  static int count() { return 1; }
  static HostDevice& at(int device) {
    static HostDevice only;
    if (device != 0) throw DeviceError(TENSIM_CUDA_INVALID, "there is no device " + std::to_string(device));
    return only;
  }
  void use() {}
  void describe(TensimCudaDevice& info) const {
    info = {};
    std::snprintf(info.name, sizeof info.name, "host emulation");
    info.total_memory = limit;
    info.free_memory = limit - used_;
    info.bandwidth = 1e10;
  }

  void* allocate(std::size_t bytes) {
    if (bytes > limit - used_) throw DeviceError(TENSIM_CUDA_OUT_OF_MEMORY, "out of device memory");
    auto* const block = static_cast<unsigned char*>(std::malloc(kHeader + bytes));
    if (block == nullptr) throw DeviceError(TENSIM_CUDA_OUT_OF_MEMORY, "out of host memory");
    std::memcpy(block, &bytes, sizeof bytes);
    std::memset(block + kHeader, 0xff, bytes);
    used_ += bytes;
    return block + kHeader;
  }
  void release(void* memory) noexcept {
    auto* const block = static_cast<unsigned char*>(memory) - kHeader;
    std::size_t bytes;
    std::memcpy(&bytes, block, sizeof bytes);
    used_ -= bytes;
    std::free(block);
  }
  void upload(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
  static constexpr std::uint64_t kPeakRounds = 10;
  struct Moment {
    static void wait() {}
  };
  static Moment moment() { return {}; }
  class HostMemory {
   public:
    explicit HostMemory(std::size_t bytes) : bytes_(bytes) {}
    void* data() { return bytes_.data(); }
    const void* data() const { return bytes_.data(); }

   private:
    std::vector<unsigned char> bytes_;
  };
  HostMemory download(const void* from, std::size_t bytes, const Moment&) {
    HostMemory memory(bytes);
    if (bytes > 0) std::memcpy(memory.data(), from, bytes);
    return memory;
  }
  template <class Kernel>
  void launch(std::uint64_t blocks, const typename Kernel::Arguments& arguments) {
    run_on_host<Kernel>(blocks, arguments, order);
  }

 private:
  static constexpr std::size_t kHeader = 64;
  std::atomic<std::size_t> used_{0};  // models are given back by any thread
};

}  // namespace tensim::cuda
