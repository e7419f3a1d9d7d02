#pragma once

#include <variant>
#include <vector>

#include "../gaussian/closure.h"
#include "../gaussian/hidden.h"
#include "../gaussian/tensor.h"
#include "../gaussian/two_block.h"
#include "../layers/chain.h"
#include "gram_tile.h"
#include "prepared_model.h"

namespace tensim {

// lib/backend/backend.ts, ChainMethod.
enum class Method { kOneBlock, kHidden, kTwoBlock, kClosure, kTensor };

// A model prepared by any method with any element type.
using AnyPrepared = std::variant<PreparedModel<double>, PreparedModel<float>, ClosureModel<double>, ClosureModel<float>,
                                 TwoBlockModel<double>, TwoBlockModel<float>, TensorModel<double>, TensorModel<float>,
                                 PreparedHidden<double>, PreparedHidden<float>>;

// `route` is for kOneBlock alone, and so is `once` (similarity/prepared_model.h).
AnyPrepared prepare_chain(const Context& context, Method method, Route route, DType dtype, const ChainView& chain,
                          bool once = false);

// The tile of models of whatever method. Throws INVALID_ARGUMENT unless all were prepared by the same one with the same
// element type.
GramTile gram_tile(const Context& context, const GramJob& job, const std::vector<const AnyPrepared*>& rows,
                   const std::vector<const AnyPrepared*>& columns);

}  // namespace tensim
