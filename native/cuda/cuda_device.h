#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "device.h"
#include "grid.h"

namespace tensim::cuda {

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // forgets it, unless the device is lost for good
  const std::string message = std::string(what) + ": " + cudaGetErrorString(status);
  switch (status) {
    case cudaErrorMemoryAllocation:
      throw DeviceError(TENSIM_CUDA_OUT_OF_MEMORY, message);
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorInitializationError:
    case cudaErrorDevicesUnavailable:
    case cudaErrorNoKernelImageForDevice:
      throw DeviceError(TENSIM_CUDA_UNAVAILABLE, message);
    default:
      throw DeviceError(TENSIM_CUDA_FAILED, message);
  }
}

// A GPU (device.h). Everything goes through its default stream, so that calls are carried out one after the other.
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

  static CudaDevice& at(int device) {
    static std::mutex mutex;
    static auto& devices =
        *new std::vector<std::unique_ptr<CudaDevice>>;  // never destroyed: models may outlive static variables
    std::lock_guard<std::mutex> lock(mutex);
    while (devices.size() < static_cast<std::size_t>(count())) {
      devices.emplace_back(new CudaDevice(static_cast<int>(devices.size())));
    }
    if (device < 0 || static_cast<std::size_t>(device) >= devices.size()) {
      throw DeviceError(TENSIM_CUDA_INVALID, "there is no device " + std::to_string(device));
    }
    return *devices[static_cast<std::size_t>(device)];
  }

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
  }

  void* allocate(std::size_t bytes) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes), "allocating device memory");
    return memory;
  }
  void release(void* memory) noexcept { cudaFree(memory); }
  void upload(void* to, const void* from, std::size_t bytes) {
    check(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "copying to the device");
  }
  void download(void* to, const void* from, std::size_t bytes) {
    check(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "copying from the device");
  }
  template <class Kernel>
  void launch(std::uint64_t blocks, const typename Kernel::Arguments& arguments) {
    if (blocks > INT32_MAX) throw DeviceError(TENSIM_CUDA_INVALID, "too many blocks for one launch");
    run_on_device<Kernel><<<static_cast<unsigned>(blocks), Kernel::kThreads>>>(arguments);
    check(cudaGetLastError(), "launching a kernel");
  }

 private:
  explicit CudaDevice(int number) : number_(number) {}
  const int number_;
};

}  // namespace tensim::cuda
