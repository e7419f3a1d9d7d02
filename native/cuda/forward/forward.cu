// Forward passes and what belongs to sampling, of the library tensim_cuda.
#include "../cuda_device.h"
#include "api.h"

namespace tensim::cuda {

template const TensimCudaForwardApi* forward_table<CudaDevice>();

}  // namespace tensim::cuda
