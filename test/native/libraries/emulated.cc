// A library like tensim_cuda whose device is the host, so that everything above the kernels can be tested without a
// GPU. What the environment variable TENSIM_TEST_FAULT names goes wrong in it, and TENSIM_TEST_PEAK is what it says to
// reach, in flops a second. Built by test/support/emulated_library.ts.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "cuda/api.h"
#include "cuda/contraction/api.h"
#include "cuda/forward/api.h"
#include "cuda/host_device.h"
#include "cuda/units/api.h"

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

TensimCudaStatus other_class(int32_t device, TensimCudaDevice* info, TensimCudaError* error) {
  const TensimCudaStatus status = Api::device_info(device, info, error);
  info->major += 1;
  return status;
}

TensimCudaStatus peak(int32_t, int32_t, double* rate, TensimCudaError*) {
  *rate = std::atof(std::getenv("TENSIM_TEST_PEAK"));
  return TENSIM_CUDA_OK;
}

TensimCudaStatus wrong(const TensimCudaTile* tile, TensimCudaError* error) {
  const TensimCudaStatus status = Api::gram_products(tile, error);
  if (tile->total != nullptr) tile->total[0] += 1;
  return status;
}

TensimCudaStatus wrong_pairs(const TensimCudaTile* tile, TensimCudaError* error) {
  const TensimCudaStatus status = Api::gram_products(tile, error);
  if (tile->row_count > 1) tile->total[0] *= 1.001;
  return status;
}

TensimCudaStatus wrong_closure(const TensimCudaClosureTile* tile, TensimCudaError* error) {
  const TensimCudaStatus status = Api::closure_products(tile, error);
  tile->total[tile->row_count * tile->column_count - 1] *= 1.001;
  return status;
}

TensimCudaStatus wrong_units(const TensimCudaUnitsTile* tile, TensimCudaError* error) {
  const TensimCudaStatus status = Api::table()->units->products(tile, error);
  for (uint64_t pair = 0; pair < tile->pair_count; ++pair) tile->higher[pair] *= 1.01;
  return status;
}

TensimCudaStatus wrong_step(TensimCudaContraction* run, const TensimCudaStep* step, TensimCudaError* error) {
  TensimCudaStep wrong = *step;
  wrong.factor *= 1.001;
  return Api::table()->contraction->step(run, &wrong, error);
}

TensimCudaStatus no_normals(int32_t, const TensimCudaNormals*, TensimCudaError* error) {
  std::strcpy(error->message, "out of order");
  return TENSIM_CUDA_FAILED;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const TensimCudaApi* tensim_cuda_api() {
  static TensimCudaApi api = *Api::table();
  static TensimCudaUnitsApi units = *api.units;
  static TensimCudaForwardApi forward = *api.forward;
  static TensimCudaContractionApi contraction = *api.contraction;
  api.units = &units;
  api.forward = &forward;
  api.contraction = &contraction;
  const char* const variable = std::getenv("TENSIM_TEST_FAULT");
  const std::string fault = variable == nullptr ? "" : variable;
  if (std::getenv("TENSIM_TEST_PEAK") != nullptr) api.peak = peak;
  if (fault == "version") ++api.version;
  if (fault == "functions") api.model_create = nullptr;
  if (fault == "no devices") api.device_count = no_devices;
  if (fault == "other class") api.device_info = other_class;
  if (fault == "crash") api.device_count = crash;
  if (fault == "hang") api.device_count = hang;
  if (fault == "wrong") api.gram_products = wrong;
  if (fault == "wrong pairs") api.gram_products = wrong_pairs;
  if (fault == "wrong closure") api.closure_products = wrong_closure;
  if (fault == "wrong units") units.products = wrong_units;
  if (fault == "wrong contractions") contraction.step = wrong_step;
  if (fault == "no normals") forward.normals = no_normals;
  if (fault == "small memory") tensim::cuda::HostDevice::at(0).limit = 8000000;
  if (fault.rfind("memory of ", 0) == 0) tensim::cuda::HostDevice::at(0).limit = std::stoul(fault.substr(10));
  return &api;
}
