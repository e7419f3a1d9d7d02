#pragma once

#include <cstddef>
#include <vector>

#include "../core/context.h"

namespace tensim {

// A loop hafnian as in lib/gaussian/sieve.ts: pairs of legs (2p, 2p + 1), each pair taken repeats[p] ≥ 1 times.
struct PairedLegs {
  std::vector<std::size_t> repeats;  // ascending
  const double* edges = nullptr;     // (2P, 2P), symmetric
  const double* loops = nullptr;     // (2P), or null: no leg may be left alone
};

// The loop hafnian by the finite-difference sieve; lib/fallback/gaussian/hafnian.ts explains it. The result does not
// depend on the number of threads.
double loop_hafnian(const Context& context, const PairedLegs& legs);

}  // namespace tensim
