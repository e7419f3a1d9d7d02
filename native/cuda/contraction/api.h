#pragma once

#include "../api.h"
#include "run.h"
#include "table.h"

namespace tensim::cuda {

// The table of interface.h for a kind of device.
template <class Device>
struct ContractionApi {
  using Run = TensimCudaContraction;
  using Error = TensimCudaError;

  static TensimCudaStatus create(int32_t device, int32_t single, int (*report)(void*, uint64_t), void* context,
                                 Run** run, Error* error) {
    return Api<Device>::guard(error, [&] {
      Device& own = Device::at(device);
      own.use();
      if (single != 0) {
        *run = new ContractionRun<Device, float>(own, single == TENSIM_CUDA_TF32, report, context);
      } else {
        *run = new ContractionRun<Device, double>(own, false, report, context);
      }
    });
  }
  static void destroy(Run* run) {
    Api<Device>::guard(nullptr, [&] { run->use(); });
    delete run;
  }
  static TensimCudaStatus allocate(Run* run, uint64_t elements, void** memory, Error* error) {
    return used(run, error, [&] { *memory = run->allocate(elements); });
  }
  static void release(Run* run, void* memory) {
    used(run, nullptr, [&] { run->release(memory); });
  }
  static TensimCudaStatus upload(Run* run, void* to, const void* from, uint64_t elements, Error* error) {
    return used(run, error, [&] { run->upload(to, from, elements); });
  }
  static TensimCudaStatus download(Run* run, const void* from, void* to, uint64_t elements, Error* error) {
    return used(run, error, [&] { run->download(from, to, elements); });
  }
  static TensimCudaStatus step(Run* run, const TensimCudaStep* step, Error* error) {
    return used(run, error, [&] { run->step(*step); });
  }
  static TensimCudaStatus scale(Run* run, void* data, uint64_t elements, double factor, Error* error) {
    return used(run, error, [&] { run->scale(data, elements, factor); });
  }
  static TensimCudaStatus largest(Run* run, const void* data, uint64_t elements, double* most, Error* error) {
    return used(run, error, [&] { *most = run->largest(data, elements); });
  }

  static const TensimCudaContractionApi* table() {
    static const TensimCudaContractionApi api = {
        sizeof(TensimCudaContractionApi), create, destroy, allocate, release, upload, download, step, scale, largest};
    return &api;
  }

 private:
  // Calls come from any thread.
  template <class Body>
  static TensimCudaStatus used(Run* run, Error* error, const Body& body) {
    return Api<Device>::guard(error, [&] {
      run->use();
      body();
    });
  }
};

template <class Device>
const TensimCudaContractionApi* contraction_table() {
  return ContractionApi<Device>::table();
}

}  // namespace tensim::cuda
