// A library like tensim_cuda whose device is the host, so that everything above the kernels can be tested without a
// GPU. What the environment variable TENSIM_TEST_FAULT names goes wrong in it. Built by
// test/support/emulated_library.ts.
#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "cuda/api.h"
#include "cuda/host_device.h"

namespace {

using Api = tensim::cuda::Api<tensim::cuda::HostDevice>;

TensimCudaStatus no_devices(int32_t* count, TensimCudaError*) {
  *count = 0;
  return TENSIM_CUDA_OK;
}

TensimCudaStatus crash(int32_t*, TensimCudaError*) {
  std::raise(SIGSEGV);
  return TENSIM_CUDA_FAILED;
}

TensimCudaStatus hang(int32_t*, TensimCudaError*) {
  for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
}

TensimCudaStatus wrong(const TensimCudaTile* tile, TensimCudaError* error) {
  const TensimCudaStatus status = Api::gram_products(tile, error);
  if (tile->linear != nullptr) tile->linear[0] += 1;
  return status;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const TensimCudaApi* tensim_cuda_api() {
  static TensimCudaApi api = *Api::table();
  const char* const variable = std::getenv("TENSIM_TEST_FAULT");
  const std::string fault = variable == nullptr ? "" : variable;
  if (fault == "version") ++api.version;
  if (fault == "functions") api.model_create = nullptr;
  if (fault == "no devices") api.device_count = no_devices;
  if (fault == "crash") api.device_count = crash;
  if (fault == "hang") api.device_count = hang;
  if (fault == "wrong") api.gram_products = wrong;
  if (fault == "small memory") tensim::cuda::HostDevice::at(0).limit = 270000;
  return &api;
}
