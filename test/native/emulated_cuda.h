// The table of the CUDA backend's functions with the host as its device.
#pragma once

#include "cuda/interface.h"

namespace tensim::test {

// With the environment variable TENSIM_TESTS_CUDA_LIBRARY that of the library it names, on its first device: the same
// cases then run on a GPU.
const TensimCudaApi& api();

// Whether the device is the host, which can be told how to behave (cuda/host_device.h).
bool emulated();

}  // namespace tensim::test
