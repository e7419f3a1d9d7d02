#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../core/context.h"
#include "../core/error.h"
#include "gram_tile.h"

namespace tensim {

// Inner products of every row model with every column model, for methods that take pairs one at a time. `pair(context,
// a, b)` gives the slices ⟨f_c, g_c⟩ and `flops(a, b)` what it costs; ⟨f_c, f_c⟩ is `self` of the model. Many pairs are
// shared out among the threads, a few are computed one after the other by all of them; neither changes a result.
template <class Model, class Pair, class Flops>
GramTile pair_tile(const Context& context, const GramJob& job, const std::vector<const Model*>& rows,
                   const std::vector<const Model*>& columns, const Pair& pair, const Flops& flops) {
  GramTile tile;
  tile.total.assign(rows.size() * columns.size(), 0.0);
  if (rows.empty() || columns.empty()) return tile;
  const Model& first = *rows.front();
  for (const auto* list : {&rows, &columns}) {
    for (const Model* model : *list) {
      if (model->outputs != first.outputs || model->inputs != first.inputs || model->positions != first.positions) {
        throw Error("SHAPE_MISMATCH", "the models of a tile differ in their inputs or outputs");
      }
    }
  }
  if (job.per_output) tile.per_output.assign(tile.total.size() * first.outputs, 0.0);

  struct Place {
    std::size_t row, column;
  };
  std::vector<Place> places;
  std::uint64_t total_flops = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = job.symmetric ? i : 0; j < columns.size(); ++j) {
      places.push_back({i, j});
      if (rows[i] != columns[j]) total_flops += flops(*rows[i], *columns[j]);
    }
  }
  context.control.expect(total_flops);

  const auto compute = [&](const Context& own, const Place& place) {
    const Model &a = *rows[place.row], &b = *columns[place.column];
    const bool same = &a == &b;
    const std::vector<double> slices = same ? a.self : pair(own, a, b);
    if (!same) own.control.advance(flops(a, b));
    double total = 0;
    for (double slice : slices) total += slice;
    const auto put = [&](std::size_t i, std::size_t j) {
      const std::size_t at = i * columns.size() + j;
      tile.total[at] = total;
      if (job.per_output) {
        std::copy(slices.begin(), slices.end(),
                  tile.per_output.begin() + static_cast<std::ptrdiff_t>(at * slices.size()));
      }
    };
    put(place.row, place.column);
    if (job.symmetric) put(place.column, place.row);
  };

  // A pair below this takes less time than sharing out its parts.
  constexpr std::uint64_t kSmallPair = std::uint64_t{1} << 28;
  if (places.size() >= 2 * context.threads && total_flops / places.size() < kSmallPair) {
    const Context alone{context.kernels, context.pool, 1, context.control};
    context.parallel_for(places.size(), [&](std::size_t p) { compute(alone, places[p]); });
  } else {
    for (const Place& place : places) {
      context.control.throw_if_aborted();
      compute(context, place);
    }
  }
  return tile;
}

}  // namespace tensim
