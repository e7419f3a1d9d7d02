#pragma once

#include "kernels.h"

namespace tensim {

// Multiply-adds on registers that one thread of this machine does, in flops per second: what expected times are scaled
// by. Takes less than a millisecond. The best of a few short runs: a busy neighbour only slows them down.
template <class T>
double measure_speed(const KernelSet& kernels);

}  // namespace tensim
