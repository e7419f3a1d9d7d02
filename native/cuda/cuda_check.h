#pragma once

#include <cuda_runtime.h>

#include <string>

#include "device.h"

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

}  // namespace tensim::cuda
