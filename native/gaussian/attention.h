#pragma once

#include <cstdint>

#include "attention_step.h"

namespace tensim {

// Covariances of the two outputs. With `last` only their sum over equal positions is computed, (outputs, outputs').
template <class T>
Covariance<T> attention_pair(const Context& context, const AttentionBlock<T>& a, const AttentionBlock<T>& b,
                             const Covariance<T>& covariance, bool last);

// Flops of attention_pair, about: what is skipped because it is zero counts as done.
template <class T>
std::uint64_t attention_flops(const AttentionBlock<T>& a, const AttentionBlock<T>& b, bool alike, bool last);

}  // namespace tensim
