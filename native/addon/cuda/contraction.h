#pragma once

#include <vector>

#include "../../contraction/plan.h"
#include "../../core/context.h"
#include "../../cuda/interface.h"

namespace tensim {

// As contraction/execute, on a device: operands are uploaded once, everything between them and the output stays there.
// Throws MEMORY_LIMIT where the device has not enough of it.
// `tf32`: products of floats are one pass of TF32.
template <class T>
double execute_plan_on_cuda(const Context& context, const TensimCudaApi& api, int device, bool tf32,
                            const ContractionPlan& plan, const std::vector<const T*>& operands, T* output);

}  // namespace tensim
