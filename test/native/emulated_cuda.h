// The table of the CUDA backend's functions with the host as its device.
#pragma once

#include "cuda/interface.h"

namespace tensim::test {

const TensimCudaApi& api();

}  // namespace tensim::test
