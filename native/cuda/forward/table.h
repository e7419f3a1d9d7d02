#pragma once

#include "../interface.h"

namespace tensim::cuda {

// The functions of forward/interface.h for a kind of device, defined in api.h beside this: instantiated where they are
// compiled, which is in a file of its own.
template <class Device>
const TensimCudaForwardApi* forward_table();

}  // namespace tensim::cuda
