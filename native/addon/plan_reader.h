#pragma once

#include <napi.h>

#include "../contraction/plan.h"

namespace tensim::addon {

// Reads a plan of lib/contraction/plan.ts, and checks it (contraction/plan_check.h). What is no plan is a JavaScript
// Error with a code, what cannot be run an Error.
ContractionPlan read_plan(const Napi::Value& value);

}  // namespace tensim::addon
