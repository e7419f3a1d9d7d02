#include "hidden_tile.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "../core/error.h"
#include "../core/scratch.h"
#include "../gaussian/hidden_pair.h"
#include "feature_products.h"

namespace tensim {
namespace {

template <class T>
using Models = std::vector<const PreparedHidden<T>*>;

// Flops in one task: some tenths of a millisecond, so that handing tasks out costs nothing beside doing them.
constexpr std::uint64_t kFlopsPerTask = std::uint64_t{1} << 24;

template <class T>
void check(const Models<T>& rows, const Models<T>& columns) {
  const PreparedHidden<T>& first = *rows.front();
  for (const auto* list : {&rows, &columns}) {
    for (const PreparedHidden<T>* model : *list) {
      if (model->outputs != first.outputs || model->inputs != first.inputs || model->positions != first.positions) {
        throw Error("SHAPE_MISMATCH", "the models of a tile differ in their inputs or outputs");
      }
    }
  }
}

// F_1 of all models.
template <class T>
FeatureProducts<T> linear_products(const Context& context, bool symmetric, const Models<T>& rows,
                                   const Models<T>& columns) {
  std::vector<std::size_t> offsets;
  const auto vectors = [&](const Models<T>& models) {
    std::vector<const T*> result;
    for (const PreparedHidden<T>* model : models) {
      result.push_back(model->features.empty() ? nullptr : model->features.data());
      if (!model->features.empty()) offsets = model->feature_offsets;
    }
    return result;
  };
  const std::vector<const T*> own = vectors(rows), other = vectors(columns);
  return {context, symmetric, own, other, offsets};
}

// The higher degrees of one pair of models.
template <class T>
struct Pair {
  std::size_t row, column;
  HiddenPair<T> kernel;
};

// What each pair adds, in their order. Parts of pairs, many small or few large, are shared out among the threads.
template <class T>
std::vector<HiddenProducts> products_of(const Context& context, const std::vector<Pair<T>>& pairs) {
  struct Part {
    std::size_t pair, part;
  };
  std::vector<Part> parts;
  std::vector<std::size_t> task_ends, firsts;  // in parts
  std::uint64_t in_task = 0;
  for (std::size_t p = 0; p < pairs.size(); ++p) {
    firsts.push_back(parts.size());
    for (std::size_t part = 0; part < pairs[p].kernel.parts(); ++part) {
      parts.push_back({p, part});
      in_task += pairs[p].kernel.flops(part);
      if (in_task < kFlopsPerTask) continue;
      task_ends.push_back(parts.size());
      in_task = 0;
    }
  }
  firsts.push_back(parts.size());
  if (in_task > 0) task_ends.push_back(parts.size());
  std::vector<HiddenProducts> products(parts.size());
  context.parallel_for(task_ends.size(), [&](std::size_t task) {
    for (std::size_t at = task == 0 ? 0 : task_ends[task - 1]; at < task_ends[task]; ++at) {
      const HiddenPair<T>& kernel = pairs[parts[at].pair].kernel;
      products[at] = kernel.run(parts[at].part);
      context.control.advance(kernel.flops(parts[at].part));
    }
  });
  std::vector<HiddenProducts> sums;
  for (std::size_t p = 0; p < pairs.size(); ++p) {
    sums.push_back(HiddenPair<T>::sum(products.data() + firsts[p], firsts[p + 1] - firsts[p]));
  }
  return sums;
}

}  // namespace

template <class T>
GramTile hidden_tile(const Context& context, const GramJob& job, const Models<T>& rows, const Models<T>& columns) {
  GramTile tile;
  const std::size_t width = columns.size(), size = rows.size() * width;
  tile.total.assign(size, 0.0);
  if (size == 0) return tile;
  check<T>(rows, columns);
  const std::size_t outputs = rows.front()->outputs;
  const double positions = static_cast<double>(rows.front()->positions);
  tile.bound.assign(size, 0.0);
  if (job.degrees) tile.per_degree.assign(kDegrees * size, 0.0);
  if (job.per_output) tile.per_output.assign(size * outputs, 0.0);

  // The product of a model with itself is known.
  std::vector<Pair<T>> pairs;
  std::uint64_t flops = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = job.symmetric ? i : 0; j < width; ++j) {
      if (rows[i] == columns[j]) continue;
      pairs.push_back({i, j, HiddenPair<T>(context, *rows[i], *columns[j], job.degrees)});
      for (std::size_t part = 0; part < pairs.back().kernel.parts(); ++part) flops += pairs.back().kernel.flops(part);
    }
  }
  const FeatureProducts<T> linear = linear_products<T>(context, job.symmetric, rows, columns);
  context.control.expect(flops + linear.flops());
  Scratch<double> slices(size * outputs);  // (outputs, rows, columns)
  std::fill(slices.data(), slices.data() + size * outputs, 0.0);
  linear.add(slices.data());
  const std::vector<HiddenProducts> higher = products_of<T>(context, pairs);

  const auto put = [&](std::size_t i, std::size_t j, std::size_t from, const HiddenProducts& own) {
    const std::size_t at = i * width + j;
    double constant = 0, first = 0, units = 0;
    for (std::size_t c = 0; c < outputs; ++c) {
      const double product = slices.data()[c * size + from];
      const double low = rows[i]->constant[c] * columns[j]->constant[c];
      const double rest = own.slices.empty() ? 0 : own.slices[c], slice = positions * (low + product + rest);
      constant += low;
      first += product;
      units += rest;
      tile.total[at] += slice;  // in the order of the outputs: to the bit what their slices add up to
      if (job.per_output) tile.per_output[at * outputs + c] = slice;
    }
    tile.bound[at] = positions * own.bound;
    if (!job.degrees) return;
    // Degrees add up to the total. Rounding goes to the larger one of these two, so that the other keeps its digits.
    const bool quadratic = std::abs(own.quadratic) >= std::abs(own.higher);
    const double second = quadratic ? units - own.higher : own.quadratic;
    const double degrees[kDegrees] = {constant, first, second, quadratic ? own.higher : units - own.quadratic};
    for (std::size_t n = 0; n < kDegrees; ++n) tile.per_degree[kDegrees * at + n] = positions * degrees[n];
  };
  std::size_t next = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = job.symmetric ? i : 0; j < width; ++j) {
      const HiddenProducts& own = rows[i] == columns[j] ? rows[i]->self : higher[next++];
      put(i, j, i * width + j, own);
      if (job.symmetric && i != j) put(j, i, i * width + j, own);
    }
  }
  return tile;
}

template GramTile hidden_tile<double>(const Context&, const GramJob&, const Models<double>&, const Models<double>&);
template GramTile hidden_tile<float>(const Context&, const GramJob&, const Models<float>&, const Models<float>&);

}  // namespace tensim
