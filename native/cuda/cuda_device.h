#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>

#include "device.h"
#include "grid.h"
#include "pinned_memory.h"

namespace tensim::cuda {

// A GPU (device.h), with a stream for kernels and one for copies in either direction, so that models come while others
// are multiplied, and no copy waits behind one whose results are not there yet. None is ever destroyed.
class CudaDevice {
 public:
  const LaunchLimits limits;

  static int count() {
    int driver = 0, count = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
      throw DeviceError(TENSIM_CUDA_UNAVAILABLE, "there is no NVIDIA driver");
    }
    check(cudaGetDeviceCount(&count), "looking for devices");
    return count;
  }

  // None takes memory of a device before something is asked of it.
  static CudaDevice& at(int device) {
    static std::mutex mutex;
    static auto& devices = *new std::map<int, std::unique_ptr<CudaDevice>>;  // models may outlive static variables
    std::lock_guard<std::mutex> lock(mutex);
    std::unique_ptr<CudaDevice>& own = devices[device];
    if (own == nullptr) {
      if (device < 0 || device >= count()) {
        throw DeviceError(TENSIM_CUDA_INVALID, "there is no device " + std::to_string(device));
      }
      own.reset(new CudaDevice(device));
    }
    return *own;
  }

  // Of several devices each call is to one: its thread chooses that first, and nothing it launches, copies or gives
  // back is another's. No device reads the memory of another.
  void use() { check(cudaSetDevice(number_), "choosing the device"); }

  void describe(TensimCudaDevice& info) const {
    info = {};
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, number_), "asking for the device's properties");
    std::snprintf(info.name, sizeof info.name, "%s", properties.name);
    info.major = properties.major;
    info.minor = properties.minor;
    check(cudaDriverGetVersion(&info.driver), "asking for the driver's version");
    check(cudaRuntimeGetVersion(&info.runtime), "asking for the runtime's version");
    std::size_t free_memory = 0, total_memory = 0;
    check(cudaMemGetInfo(&free_memory, &total_memory), "asking for the device's memory");
    info.free_memory = free_memory;
    info.total_memory = total_memory;
    int kilohertz = 0, bits = 0;
    check(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrMemoryClockRate, number_), "asking for the memory's clock");
    check(cudaDeviceGetAttribute(&bits, cudaDevAttrGlobalMemoryBusWidth, number_), "asking for the memory's width");
    info.bandwidth = 2.0 * 1e3 * kilohertz * (bits / 8);  // two transfers per clock
  }

  std::uint64_t processors() const { return processors_; }

  // Memory comes from the device's pool and is kept there for the next launch, up to kKept of it.
  void* allocate(std::size_t bytes) {
    void* memory = nullptr;
    check(cudaMallocAsync(&memory, bytes, copies_), "allocating device memory");
    return memory;
  }
  void release(void* memory) noexcept { cudaFreeAsync(memory, work_); }
  using HostMemory = PinnedMemory::Block;
  void upload(void* to, const void* from, std::size_t bytes) {
    const HostMemory block = pinned_.take(std::min(bytes, kUploaded));
    for (std::size_t done = 0; done < bytes; done += kUploaded) {
      const std::size_t size = std::min(bytes - done, kUploaded);
      std::memcpy(block.data(), static_cast<const char*>(from) + done, size);
      check(cudaMemcpyAsync(static_cast<char*>(to) + done, block.data(), size, cudaMemcpyHostToDevice, copies_),
            "copying to the device");
      check(cudaStreamSynchronize(copies_), "copying to the device");
    }
  }

  class Moment {
   public:
    Moment() = default;
    explicit Moment(cudaStream_t stream) {
      cudaEvent_t event;
      check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "marking a moment");
      event_.reset(event);
      check(cudaEventRecord(event, stream), "marking a moment");
    }
    void wait() const { check(cudaEventSynchronize(event_.get()), "waiting for the device"); }
    void hold(cudaStream_t stream) const { check(cudaStreamWaitEvent(stream, event_.get()), "waiting for a moment"); }

   private:
    struct Destroy {
      void operator()(cudaEvent_t event) const { cudaEventDestroy(event); }
    };
    std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, Destroy> event_;
  };

  static constexpr std::uint64_t kPeakRounds = 40000;
  Moment moment() { return Moment(work_); }
  HostMemory download(const void* from, std::size_t bytes, const Moment& after) {
    HostMemory block = pinned_.take(bytes);
    after.hold(results_);
    check(cudaMemcpyAsync(block.data(), from, bytes, cudaMemcpyDeviceToHost, results_), "copying from the device");
    check(cudaStreamSynchronize(results_), "copying from the device");
    return block;
  }
  template <class Kernel>
  void launch(std::uint64_t blocks, const typename Kernel::Arguments& arguments) {
    if (blocks > INT32_MAX) throw DeviceError(TENSIM_CUDA_INVALID, "too many blocks for one launch");
    constexpr std::size_t kShared = sizeof(typename Kernel::Shared), kAlways = std::size_t{48} << 10;
    if (kShared > kAlways) {
      check(cudaFuncSetAttribute(run_on_device<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize, kShared),
            "asking for shared memory");
    }
    Moment(copies_).hold(work_);  // what was allocated there is there
    run_on_device<Kernel><<<static_cast<unsigned>(blocks), Kernel::kThreads, kShared, work_>>>(arguments);
    check(cudaGetLastError(), "launching a kernel");
  }

 private:
  // Bytes that go to the device at a time: more pinned memory would take longer to claim than the copy.
  static constexpr std::size_t kUploaded = std::size_t{32} << 20;
  // Freed memory that stays with this process.
  static constexpr std::uint64_t kKept = std::uint64_t{1} << 30;

  explicit CudaDevice(int number) : number_(number) {
    use();
    int processors = 0;
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, number), "asking for multiprocessors");
    processors_ = static_cast<std::uint64_t>(processors);
    check(cudaStreamCreateWithFlags(&work_, cudaStreamNonBlocking), "making a stream");
    check(cudaStreamCreateWithFlags(&copies_, cudaStreamNonBlocking), "making a stream");
    check(cudaStreamCreateWithFlags(&results_, cudaStreamNonBlocking), "making a stream");
    cudaMemPool_t pool;
    std::uint64_t kept = kKept;
    check(cudaDeviceGetDefaultMemPool(&pool, number), "asking for the memory pool");
    check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &kept), "setting up the memory pool");
  }

  const int number_;
  std::uint64_t processors_ = 0;
  cudaStream_t work_, copies_, results_;
  PinnedMemory pinned_;
};

}  // namespace tensim::cuda
