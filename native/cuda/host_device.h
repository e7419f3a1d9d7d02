#pragma once

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "device.h"
#include "grid.h"

namespace tensim::cuda {

// The host in the place of GPUs, for tests: kernels run block after block and thread after thread, in memory that
// begins as garbage, and memory that was not given back is counted. What CUDA would refuse, or read from the wrong
// device, fails: a call to one device while another is the thread's, and pointers of one that are given to another.
class HostDevice {
 public:
  LaunchLimits limits;
  ThreadOrder order = ThreadOrder::kForward;
  std::size_t limit = SIZE_MAX;            // bytes that may be allocated at a time
  std::atomic<std::uint64_t> launches{0};  // so far
  std::atomic<std::uint64_t> uploaded{0}, downloaded{0};
  static std::uint64_t processors() { return 3; }
  std::size_t used() const { return used_; }
  int number() const { return static_cast<int>(this - all().data()); }

  // How many there are: one, if nobody says otherwise.
  static std::atomic<int>& visible() {
    static std::atomic<int> devices{1};
    return devices;
  }
  static int count() { return visible(); }
  static HostDevice& at(int device) {
    if (device < 0 || device >= count()) {
      throw DeviceError(TENSIM_CUDA_INVALID, "there is no device " + std::to_string(device));
    }
    return all()[static_cast<std::size_t>(device)];
  }
  void use() { current() = this; }
  void describe(TensimCudaDevice& info) const {
    info = {};
    std::snprintf(info.name, sizeof info.name, "host emulation");
    info.total_memory = limit;
    info.free_memory = limit - used_;
    info.bandwidth = 1e10;
  }

  void* allocate(std::size_t bytes) {
    check_current();
    if (bytes > limit - used_) throw DeviceError(TENSIM_CUDA_OUT_OF_MEMORY, "out of device memory");
    auto* const block = static_cast<unsigned char*>(std::malloc(kHeader + bytes));
    if (block == nullptr) throw DeviceError(TENSIM_CUDA_OUT_OF_MEMORY, "out of host memory");
    std::memcpy(block, &bytes, sizeof bytes);
    std::memset(block + kHeader, 0xff, bytes);
    used_ += bytes;
    const std::lock_guard<std::mutex> lock(mutex_);
    blocks_[block + kHeader] = bytes;
    return block + kHeader;
  }
  void release(void* memory) noexcept {
    if (current() != this || !owns(memory)) {
      std::fprintf(stderr, "device %d gave back memory that is not its own, or is not the thread's\n", number());
      std::abort();
    }
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      blocks_.erase(static_cast<unsigned char*>(memory));
    }
    auto* const block = static_cast<unsigned char*>(memory) - kHeader;
    std::size_t bytes;
    std::memcpy(&bytes, block, sizeof bytes);
    used_ -= bytes;
    std::free(block);
  }
  void upload(void* to, const void* from, std::size_t bytes) {
    check_current();
    check_own(to, bytes);
    check_pointers(from, bytes);
    std::memcpy(to, from, bytes);
    uploaded += bytes;
  }
  static constexpr std::uint64_t kPeakRounds = 10;
  struct Moment {
    static void wait() {}
  };
  Moment moment() {
    check_current();
    return {};
  }
  class HostMemory {
   public:
    explicit HostMemory(std::size_t bytes) : bytes_(bytes) {}
    void* data() { return bytes_.data(); }
    const void* data() const { return bytes_.data(); }

   private:
    std::vector<unsigned char> bytes_;
  };
  HostMemory download(const void* from, std::size_t bytes, const Moment&) {
    check_current();
    check_own(from, bytes);
    HostMemory memory(bytes);
    if (bytes > 0) std::memcpy(memory.data(), from, bytes);
    downloaded += bytes;
    return memory;
  }
  template <class Kernel>
  void launch(std::uint64_t blocks, const typename Kernel::Arguments& arguments) {
    check_current();
    check_arguments(arguments);
    run_on_host<Kernel>(blocks, arguments, order);
    ++launches;
  }

 private:
  static constexpr std::size_t kHeader = 64, kMost = 8;

  static std::array<HostDevice, kMost>& all() {
    static auto& devices = *new std::array<HostDevice, kMost>;  // models may outlive static variables
    return devices;
  }
  // The thread's device: the first, until it has chosen one.
  static HostDevice*& current() {
    thread_local HostDevice* device = all().data();
    return device;
  }
  void check_current() const {
    if (current() == this) return;
    throw DeviceError(TENSIM_CUDA_FAILED, "device " + std::to_string(number()) + " was called while device " +
                                              std::to_string(current()->number()) + " was the thread's");
  }
  // Whether an address lies in memory that has been allocated here.
  bool owns(const void* address, std::size_t bytes = 1) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto* const byte = static_cast<const unsigned char*>(address);
    auto block = blocks_.upper_bound(byte);
    if (block == blocks_.begin()) return false;
    --block;
    return byte + bytes <= block->first + block->second;
  }
  void check_own(const void* address, std::size_t bytes) const {
    if (bytes == 0 || owns(address, bytes)) return;
    throw DeviceError(TENSIM_CUDA_FAILED, "a copy reaches beyond the memory of device " + std::to_string(number()));
  }
  template <class Arguments>
  void check_arguments(const Arguments& arguments) const {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
    Arguments copy = arguments;
    __builtin_clear_padding(&copy);  // where what lay there before may look like an address
    check_pointers(&copy, sizeof copy);
#endif
#endif
  }
  // Whatever looks like an address, for what a kernel is given tells no types.
  void check_pointers(const void* values, std::size_t bytes) const {
    for (int other = 0; other < count(); ++other) {
      const HostDevice& device = all()[static_cast<std::size_t>(other)];
      for (std::size_t at = 0; &device != this && at + sizeof(void*) <= bytes; at += sizeof(void*)) {
        const void* address;
        std::memcpy(&address, static_cast<const unsigned char*>(values) + at, sizeof address);
        if (!device.owns(address)) continue;
        throw DeviceError(TENSIM_CUDA_FAILED, "device " + std::to_string(number()) + " was given memory of device " +
                                                  std::to_string(other));
      }
    }
  }

  mutable std::mutex mutex_;  // models are given back by any thread
  std::map<const unsigned char*, std::size_t, std::less<>> blocks_;
  std::atomic<std::size_t> used_{0};
};

}  // namespace tensim::cuda
