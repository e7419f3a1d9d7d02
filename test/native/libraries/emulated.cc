// A library like tensim_cuda whose device is the host, so that everything above the kernels can be tested without a
// GPU. What the environment variable TENSIM_TEST_FAULT names goes wrong in it, TENSIM_TEST_PEAK is what it says to
// reach, in flops a second, and TENSIM_TEST_DEVICES how many devices there are. Into the file TENSIM_TEST_TILES goes a
// line for every tile: its device, and the bytes that this has allocated; into TENSIM_TEST_UPLOADS one for every block
// of units that it is given, with the bytes that this took. Built by test/support/emulated_library.ts.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>

#include "cuda/api.h"
#include "cuda/contraction/api.h"
#include "cuda/forward/api.h"
#include "cuda/host_device.h"
#include "cuda/units/api.h"

namespace {

using tensim::cuda::HostDevice;
using Api = tensim::cuda::Api<HostDevice>;

const char* variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

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

uint64_t outputs_of(const TensimCudaClosureTile& tile) {
  return static_cast<const tensim::cuda::PairModel<tensim::cuda::HostDevice>*>(tile.rows[0])->outputs;
}

TensimCudaStatus wrong_closure(const TensimCudaClosureTile* tile, TensimCudaError* error) {
  const TensimCudaStatus status = Api::closure_products(tile, error);
  const uint64_t last = tile->row_count * tile->column_count - 1, outputs = outputs_of(*tile);
  tile->total[last] *= 1.001;
  for (uint64_t c = 0; tile->slices != nullptr && c < outputs; ++c) tile->slices[last * outputs + c] *= 1.001;
  return status;
}

TensimCudaStatus wrong_units(const TensimCudaUnitsTile* tile, TensimCudaError* error) {
  const TensimCudaStatus status = Api::table()->units->products(tile, error);
  for (uint64_t pair = 0; pair < tile->pair_count; ++pair) tile->higher[pair] *= 1.01;
  return status;
}

TensimCudaStatus counted_units(int32_t device, const TensimCudaUnitsSource* source, TensimCudaUnits** units,
                               TensimCudaError* error) {
  const auto& host = tensim::cuda::HostDevice::at(device);
  const std::uint64_t before = host.uploaded;
  const TensimCudaStatus status = Api::table()->units->create(device, source, units, error);
  std::ofstream(std::getenv("TENSIM_TEST_UPLOADS"), std::ios::app) << host.uploaded - before << "\n";
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

// What the last of several devices does with its tiles: fails, takes long, or runs out of memory meanwhile.
TensimCudaStatus before_tile(const HostDevice& device, TensimCudaError* error) {
  if (const char* const path = variable("TENSIM_TEST_TILES"); *path != 0) {
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    std::FILE* const file = std::fopen(path, "a");
    std::fprintf(file, "%d %zu\n", device.number(), device.used());
    std::fclose(file);
  }
  const std::string fault = variable("TENSIM_TEST_FAULT");
  if (HostDevice::count() == 1 || device.number() + 1 < HostDevice::count()) return TENSIM_CUDA_OK;
  if (fault == "last is slow") std::this_thread::sleep_for(std::chrono::milliseconds(500));
  if (fault != "last fails" || device.launches < 20) return TENSIM_CUDA_OK;
  std::strcpy(error->message, "the last device fell off the bus");
  return TENSIM_CUDA_FAILED;
}

template <class Model, class Tile>
TensimCudaStatus on_its_device(TensimCudaStatus (*products)(const Tile*, TensimCudaError*), const Tile* tile,
                               TensimCudaError* error) {
  const TensimCudaStatus status = before_tile(*static_cast<const Model*>(tile->rows[0])->device, error);
  return status == TENSIM_CUDA_OK ? products(tile, error) : status;
}

TensimCudaStatus gram_products(const TensimCudaTile* tile, TensimCudaError* error) {
  return on_its_device<tensim::cuda::Model<HostDevice>>(Api::gram_products, tile, error);
}

TensimCudaStatus closure_products(const TensimCudaClosureTile* tile, TensimCudaError* error) {
  return on_its_device<tensim::cuda::PairModel<HostDevice>>(Api::closure_products, tile, error);
}

TensimCudaStatus last_is_another(int32_t device, TensimCudaDevice* info, TensimCudaError* error) {
  const TensimCudaStatus status = Api::device_info(device, info, error);
  if (device + 1 == HostDevice::count()) std::strcpy(info->name, "another emulation");
  return status;
}

TensimCudaStatus last_is_wrong(const TensimCudaTile* tile, TensimCudaError* error) {
  const HostDevice& device = *static_cast<const tensim::cuda::Model<HostDevice>*>(tile->rows[0])->device;
  return device.number() + 1 == HostDevice::count() ? wrong(tile, error) : Api::gram_products(tile, error);
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
  const std::string fault = variable("TENSIM_TEST_FAULT");
  if (const char* const count = variable("TENSIM_TEST_DEVICES"); *count != 0) HostDevice::visible() = std::atoi(count);
  api.gram_products = gram_products;
  api.closure_products = closure_products;
  if (std::getenv("TENSIM_TEST_PEAK") != nullptr) api.peak = peak;
  if (std::getenv("TENSIM_TEST_UPLOADS") != nullptr) units.create = counted_units;
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
  if (fault == "last is another") api.device_info = last_is_another;
  if (fault == "last is wrong") api.gram_products = last_is_wrong;
  if (fault.rfind("last has ", 0) == 0) HostDevice::at(HostDevice::count() - 1).limit = std::stoul(fault.substr(9));
  if (fault == "small memory") HostDevice::at(0).limit = 8000000;
  if (fault.rfind("memory of ", 0) == 0) HostDevice::at(0).limit = std::stoul(fault.substr(10));
  return &api;
}
