#include "gram_tile.h"

#include <algorithm>

#include "pair_kernel.h"

namespace tensim {
namespace {

// Flops in one task: some tenths of a millisecond, so that handing tasks out costs nothing beside doing them.
constexpr std::size_t kFlopsPerTask = std::size_t{1} << 24;

// Pairs are taken in squares of this many models by as many, which then stay in the last cache while they are needed.
constexpr std::size_t kNeighbours = 4;

struct Pair {
  std::size_t row, column;
};

// One part of one pair, and where its sums go.
struct Unit {
  std::size_t pair;
  std::size_t part;
  bool quadratic;  // else the pair's features and constants
};

// Weights of the three orthogonal components: ⟨f, g⟩ = quadratic · P + linear · w·w' + constant · (m m' or e e').
struct Weights {
  double quadratic, linear;
  bool means;
};

template <class T>
Weights weights_of(Measure measure, const PreparedModel<T>& a, const PreparedModel<T>& b) {
  if (measure == Measure::kGaussian) return {1, 1, true};
  // The legs of a block are symmetrised on (1, z), which halves what one leg carries alone; a linear chain has a single
  // leg.
  if (a.block != b.block) {
    throw Error("SHAPE_MISMATCH",
                "the tensor measure compares chains of the same degree only: one has a block, the other has none");
  }
  return a.block ? Weights{0.5, 0.5, false} : Weights{0, 1, false};
}

}  // namespace

template <class T>
GramTile gram_tile(const Context& context, const GramJob& job, const std::vector<const PreparedModel<T>*>& rows,
                   const std::vector<const PreparedModel<T>*>& columns) {
  GramTile tile;
  tile.total.assign(rows.size() * columns.size(), 0.0);
  if (rows.empty() || columns.empty()) return tile;
  const PreparedModel<T>& first = *rows.front();
  const std::size_t outputs = first.outputs;
  for (const auto* list : {&rows, &columns}) {
    for (const PreparedModel<T>* model : *list) {
      const bool features_fit = model->feature_offsets.empty() || first.feature_offsets.empty() ||
                                model->feature_offsets == first.feature_offsets;
      if (model->outputs != outputs || model->depth != first.depth || model->positions != first.positions ||
          !features_fit) {
        throw Error("SHAPE_MISMATCH", "the models of a tile differ in their inputs or outputs");
      }
    }
  }

  const PairKernel<T> kernel(context, first.depth);
  std::vector<Pair> pairs;
  std::vector<Unit> units;
  std::vector<std::size_t> task_ends;  // in units
  std::size_t in_task = 0;
  std::uint64_t total_flops = 0;
  const auto add = [&](Unit unit, std::size_t flops) {
    units.push_back(unit);
    in_task += flops;
    total_flops += flops;
    if (in_task >= kFlopsPerTask) {
      task_ends.push_back(units.size());
      in_task = 0;
    }
  };
  const auto unit_flops = [&](const Unit& unit) -> std::size_t {
    const PreparedModel<T>&a = *rows[pairs[unit.pair].row], &b = *columns[pairs[unit.pair].column];
    return unit.quadratic ? kernel.flops(a, b, unit.part) : 2 * a.features.size() + 2 * outputs;
  };
  const auto add_pair = [&](std::size_t i, std::size_t j) {
    weights_of(job.measure, *rows[i], *columns[j]);  // refuse before computing anything
    pairs.push_back({i, j});
    const std::size_t pair = pairs.size() - 1, parts = kernel.parts(*rows[i], *columns[j]);
    for (std::size_t part = 0; part < parts; ++part) {
      const Unit unit{pair, part, true};
      add(unit, unit_flops(unit));
    }
    const Unit unit{pair, 0, false};
    add(unit, unit_flops(unit));
  };
  for (std::size_t i0 = 0; i0 < rows.size(); i0 += kNeighbours) {
    for (std::size_t j0 = 0; j0 < columns.size(); j0 += kNeighbours) {
      for (std::size_t i = i0; i < std::min(rows.size(), i0 + kNeighbours); ++i) {
        for (std::size_t j = j0; j < std::min(columns.size(), j0 + kNeighbours); ++j) {
          if (!job.symmetric || i <= j) add_pair(i, j);
        }
      }
    }
  }
  if (in_task > 0 || task_ends.empty()) task_ends.push_back(units.size());
  context.control.expect(total_flops);

  std::vector<double> sums(units.size() * outputs);
  context.parallel_for(task_ends.size(), [&](std::size_t task) {
    for (std::size_t u = task == 0 ? 0 : task_ends[task - 1]; u < task_ends[task]; ++u) {
      const Unit& unit = units[u];
      const PreparedModel<T>&a = *rows[pairs[unit.pair].row], &b = *columns[pairs[unit.pair].column];
      double* out = sums.data() + u * outputs;
      const Weights weights = weights_of(job.measure, a, b);
      if (unit.quadratic) {
        kernel.run(a, b, unit.part, out);
        for (std::size_t c = 0; c < outputs; ++c) out[c] *= weights.quadratic;
      } else {
        const bool linear = !a.features.empty() && !b.features.empty();
        const std::vector<double>&x = weights.means ? a.mean : a.constant, &y = weights.means ? b.mean : b.constant;
        for (std::size_t c = 0; c < outputs; ++c) {
          out[c] = x[c] * y[c];
          if (!linear) continue;
          const std::size_t begin = a.feature_offsets[c], length = a.feature_offsets[c + 1] - begin;
          out[c] += weights.linear *
                    context.kernels.of<T>().dot(length, a.features.data() + begin, b.features.data() + begin);
        }
      }
      context.control.advance(unit_flops(unit));
    }
  });

  // Add the parts of every pair up, in order.
  if (job.per_output) tile.per_output.assign(tile.total.size() * outputs, 0.0);
  std::vector<double> slices(outputs);
  for (std::size_t u = 0; u < units.size();) {
    const std::size_t pair = units[u].pair;
    std::fill(slices.begin(), slices.end(), 0.0);
    for (; u < units.size() && units[u].pair == pair; ++u) {
      for (std::size_t c = 0; c < outputs; ++c) slices[c] += sums[u * outputs + c];
    }
    double total = 0;
    for (double& slice : slices) {
      slice *= static_cast<double>(first.positions);
      total += slice;
    }
    const auto put = [&](std::size_t i, std::size_t j) {
      const std::size_t at = i * columns.size() + j;
      tile.total[at] = total;
      if (job.per_output)
        std::copy(slices.begin(), slices.end(), tile.per_output.begin() + static_cast<std::ptrdiff_t>(at * outputs));
    };
    put(pairs[pair].row, pairs[pair].column);
    if (job.symmetric) put(pairs[pair].column, pairs[pair].row);
  }
  return tile;
}

template GramTile gram_tile<double>(const Context&, const GramJob&, const std::vector<const PreparedModel<double>*>&,
                                    const std::vector<const PreparedModel<double>*>&);
template GramTile gram_tile<float>(const Context&, const GramJob&, const std::vector<const PreparedModel<float>*>&,
                                   const std::vector<const PreparedModel<float>*>&);

}  // namespace tensim
