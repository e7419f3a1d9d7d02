#pragma once

#include "plan.h"

namespace tensim {

// Makes sure that a plan can be run, whose numbers may be any that JavaScript counts exactly (up to ±2^53): every view
// of every step stays within its buffer for every combination of slices, every operand's layout and buffer within the
// number of elements it asks for, what is read has been written before, and everything can be counted. Throws
// INVALID_ARGUMENT.
void check_plan(const ContractionPlan& plan);

}  // namespace tensim
