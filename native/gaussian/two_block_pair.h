#pragma once

#include <cstdint>
#include <vector>

#include "two_block.h"

namespace tensim {

// E f_c g_c for every output c, summed over positions.
template <class T>
std::vector<double> two_block_slices(const Context& context, const TwoBlockModel<T>& a, const TwoBlockModel<T>& b);

template <class T>
std::uint64_t two_block_flops(const TwoBlockModel<T>& a, const TwoBlockModel<T>& b);

}  // namespace tensim
