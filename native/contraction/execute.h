#pragma once

#include <vector>

#include "../core/context.h"
#include "plan.h"

namespace tensim {

// Runs a plan. `operands` are their elements (of the plan's dtype, at their layouts' offset 0); `output` has the
// elements of the output buffer and need not be initialised. Intermediates are allocated at their first use and freed
// after their last. Returns the exponent of the result: its values are output · 2^exponent (0 unless the plan strips
// exponents).
template <class T>
double execute_plan(const Context& context, const ContractionPlan& plan, const std::vector<const T*>& operands,
                    T* output);

}  // namespace tensim
