#pragma once

#include "../interface.h"

namespace tensim::cuda {

// The functions of interface.h for a kind of device (api.h), which are compiled by themselves: units.cu has those of
// GPUs.
template <class Device>
const TensimCudaUnitsApi* units_table();

}  // namespace tensim::cuda
