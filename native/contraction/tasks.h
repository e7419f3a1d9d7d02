#pragma once

#include <algorithm>
#include <cstddef>

#include "../core/context.h"

namespace tensim {

// Largest extent of each side of a product that goes without packing.
constexpr std::size_t kSmall = 32;

// Index combinations in one task: some hundredths of a millisecond, well above the cost of handing a task out.
constexpr std::size_t kPointsPerTask = std::size_t{1} << 16;

// item(0) … item(count − 1) of `points` index combinations each, in tasks of consecutive items; progress counts points.
template <class Item>
void for_tasks(const Context& context, std::size_t count, std::size_t points, const Item& item) {
  const std::size_t per_task = std::max<std::size_t>(1, kPointsPerTask / std::max<std::size_t>(1, points));
  context.parallel_for((count + per_task - 1) / per_task, [&](std::size_t task) {
    const std::size_t end = std::min(count, (task + 1) * per_task);
    for (std::size_t i = task * per_task; i < end; ++i) item(i);
    context.control.advance((end - task * per_task) * points);
  });
}

}  // namespace tensim
