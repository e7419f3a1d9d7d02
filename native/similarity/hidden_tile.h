#pragma once

#include <vector>

#include "../gaussian/hidden.h"
#include "gram_tile.h"

namespace tensim {

// Inner products of every row model with every column model (MATH.md sections 10 and 11): the degrees 0 and 1 as
// products of features over all models at once, the higher ones pair by pair. `measure` counts nothing here.
template <class T>
GramTile hidden_tile(const Context& context, const GramJob& job, const std::vector<const PreparedHidden<T>*>& rows,
                     const std::vector<const PreparedHidden<T>*>& columns);

}  // namespace tensim
