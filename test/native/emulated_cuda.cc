#include "emulated_cuda.h"

#include <cstdlib>

#include "addon/cuda/library.h"
#include "cuda/api.h"
#include "cuda/forward/api.h"
#include "cuda/host_device.h"
#include "cuda/units/api.h"

namespace tensim::test {
namespace {

const char* library() {
  const char* const path = std::getenv("TENSIM_TESTS_CUDA_LIBRARY");
  return path == nullptr || *path == 0 ? nullptr : path;
}

}  // namespace

// In a file of its own: all kernels are instantiated here, which takes longer than compiling all the tests of them.
const TensimCudaApi& api() {
  return emulated() ? *cuda::Api<cuda::HostDevice>::table() : CudaLibrary::open(library()).api();
}

bool emulated() {
  return library() == nullptr;
}

}  // namespace tensim::test
