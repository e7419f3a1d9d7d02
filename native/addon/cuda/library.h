#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../../cuda/interface.h"

namespace tensim {

// The library tensim_cuda as a process has it open. Once open it stays: the CUDA runtime in it does not survive being
// unloaded.
class CudaLibrary {
 public:
  // Opens it, or gives it again to who asks for the same path. Throws BACKEND_UNAVAILABLE where there is no such file,
  // it does not load, or it is not the library that this addon was built with.
  static const CudaLibrary& open(const std::string& path);

  const TensimCudaApi& api() const { return api_; }

 private:
  explicit CudaLibrary(const TensimCudaApi& api) : api_(api) {}
  const TensimCudaApi& api_;
};

// What the library offers, checked: the version and the size of the table, and that nothing is missing in it. Throws
// BACKEND_UNAVAILABLE.
const TensimCudaApi& checked_api(const TensimCudaApi* api, const std::string& path);

// The `report` of a tile: what is done goes to the Control that `control` points to, and whether it was aborted comes
// back.
int report_progress(void* control, std::uint64_t done, std::uint64_t total);

// What the library knows models by.
template <class Model>
auto on_device(const std::vector<const Model*>& models) {
  std::vector<decltype(models.front()->on_device())> result;
  for (const Model* model : models) result.push_back(model->on_device());
  return result;
}

// Throws the Error that a status stands for; Aborted where it is that.
void check_cuda(TensimCudaStatus status, const TensimCudaError& error);

}  // namespace tensim
