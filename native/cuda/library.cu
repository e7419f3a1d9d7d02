// The library tensim_cuda: the table of interface.h on GPUs.
#include "api.h"
#include "cuda_device.h"

#if defined(_WIN32)
#define TENSIM_EXPORT __declspec(dllexport)
#else
#define TENSIM_EXPORT __attribute__((visibility("default")))
#endif

extern "C" TENSIM_EXPORT const TensimCudaApi* tensim_cuda_api() {
  return tensim::cuda::Api<tensim::cuda::CudaDevice>::table();
}
