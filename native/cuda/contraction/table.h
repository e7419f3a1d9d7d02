#pragma once

#include "../interface.h"

namespace tensim::cuda {

// The functions of contractions for a kind of device, instantiated in a file of their own: contraction.cu for GPUs, the
// tests for the host.
template <class Device>
const TensimCudaContractionApi* contraction_table();

}  // namespace tensim::cuda
