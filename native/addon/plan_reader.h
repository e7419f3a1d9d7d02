#pragma once

#include <napi.h>

#include "../contraction/plan.h"

namespace tensim::addon {

// Reads and checks a plan of lib/contraction/plan.ts: every view of every step stays within its buffer for every
// combination of slices, and every operand's layout within the number of elements it asks for. What does not fit is a
// JavaScript Error with a code.
ContractionPlan read_plan(const Napi::Value& value);

}  // namespace tensim::addon
