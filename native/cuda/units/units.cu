// The kernels of units, as part of the library tensim_cuda.
#include "api.h"

#include "../cuda_device.h"

namespace tensim::cuda {

template const TensimCudaUnitsApi* units_table<CudaDevice>();

}  // namespace tensim::cuda
