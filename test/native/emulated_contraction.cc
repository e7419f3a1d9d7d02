#include "cuda/contraction/api.h"
#include "cuda/host_device.h"

// Beside emulated_cuda.cc, in a file of its own for the same reason.
template const TensimCudaContractionApi* tensim::cuda::contraction_table<tensim::cuda::HostDevice>();
