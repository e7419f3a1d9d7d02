// The kernels of contractions, as part of the library tensim_cuda.
#include "../cuda_device.h"
#include "api.h"

namespace tensim::cuda {

template const TensimCudaContractionApi* contraction_table<CudaDevice>();

}  // namespace tensim::cuda
