#pragma once

#include "kernels.h"

namespace tensim {

// What one thread of this machine can do, for the cost model of contractions: multiply-adds on registers, and bytes
// read and written by an element-wise product of vectors too long for the caches of a core.
struct Speed {
  double flops;
  double bytes;
};

// Takes some milliseconds. The best of a few short runs: a busy neighbour only slows them down.
template <class T>
Speed measure_speed(const KernelSet& kernels);

}  // namespace tensim
