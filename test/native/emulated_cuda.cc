#include "emulated_cuda.h"

#include "cuda/api.h"
#include "cuda/host_device.h"

namespace tensim::test {

// In a file of its own: all kernels are instantiated here, which takes longer than compiling all the tests of them.
const TensimCudaApi& api() {
  return *cuda::Api<cuda::HostDevice>::table();
}

}  // namespace tensim::test
