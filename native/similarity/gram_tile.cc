#include "gram_tile.h"

#include <algorithm>

#include "../core/scratch.h"
#include "feature_products.h"
#include "form_products.h"
#include "quadratic_products.h"

namespace tensim {
namespace {

template <class T>
using Models = std::vector<const PreparedModel<T>*>;

template <class T>
void check(const Models<T>& rows, const Models<T>& columns) {
  const PreparedModel<T>& first = *rows.front();
  const std::vector<std::size_t>* offsets = nullptr;
  for (const auto* list : {&rows, &columns}) {
    for (const PreparedModel<T>* model : *list) {
      if (model->route != first.route) throw Error("INVALID_ARGUMENT", "the models of a tile take different routes");
      if (!model->feature_offsets.empty() && offsets == nullptr) offsets = &model->feature_offsets;
      const bool features_fit = model->feature_offsets.empty() || model->feature_offsets == *offsets;
      if (model->outputs != first.outputs || model->inputs != first.inputs || model->positions != first.positions ||
          !features_fit) {
        throw Error("SHAPE_MISMATCH", "the models of a tile differ in their inputs or outputs");
      }
    }
  }
}

// The legs of a block are symmetrised on (1, z), which halves what one leg carries alone; a linear chain has a single
// leg.
template <class T>
double weight_of(Measure measure, const PreparedModel<T>& a, const PreparedModel<T>& b) {
  if (measure == Measure::kGaussian) return 1;
  if (a.block != b.block) {
    throw Error("SHAPE_MISMATCH",
                "the tensor measure compares chains of the same degree only: one has a block, the other has none");
  }
  return a.block ? 0.5 : 1;
}

// Whether there are models that do not keep their forms.
template <class T>
bool any_made(const Models<T>& models) {
  return std::any_of(models.begin(), models.end(),
                     [](const PreparedModel<T>* model) { return model->factors.units > 0; });
}

// The products of the vectors that `part` gives for each model, one of length offsets[c + 1] − offsets[c] per output.
template <class T, class Part>
FeatureProducts<T> products_of(const Context& context, bool symmetric, const Models<T>& rows, const Models<T>& columns,
                               const std::vector<std::size_t>& offsets, const Part& part) {
  const auto vectors = [&](const Models<T>& models) {
    std::vector<const T*> result;
    for (const PreparedModel<T>* model : models) result.push_back(part(*model).empty() ? nullptr : part(*model).data());
    return result;
  };
  return {context, symmetric, vectors(rows), vectors(columns), offsets};
}

// The products of forms that all models keep.
template <class T>
FeatureProducts<T> kept_forms(const Context& context, bool symmetric, const Models<T>& rows, const Models<T>& columns) {
  const PreparedModel<T>& first = *rows.front();
  std::vector<std::size_t> offsets;
  if (first.route == Route::kDense && !any_made(rows) && !any_made(columns)) {
    for (std::size_t c = 0; c <= first.outputs; ++c) offsets.push_back(c * dense_form_size(first.inputs));
  }
  return products_of<T>(
      context, symmetric, rows, columns, offsets, [](const auto& model) -> const auto& { return model.forms; });
}

// Those where some are made for the tile.
template <class T>
FormProducts<T> made_forms(const Context& context, bool symmetric, const Models<T>& rows, const Models<T>& columns) {
  if (any_made(rows) || any_made(columns)) return {context, symmetric, rows, columns};
  return {context, symmetric, {}, {}};
}

// Copies what lies above the diagonal of a square matrix to its place below.
void mirror(double* matrix, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < i; ++j) matrix[i * size + j] = matrix[j * size + i];
  }
}

// The same of cells of kDegrees numbers.
void mirror_cells(std::vector<double>& cells, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < i; ++j)
      std::copy_n(cells.data() + (j * size + i) * kDegrees, kDegrees, cells.data() + (i * size + j) * kDegrees);
  }
}

// Sums over the outputs of slices (outputs, rows, columns) as the part of a degree, in their order.
void add_sums(const double* slices, std::size_t outputs, std::size_t degree, std::vector<double>& per_degree) {
  const std::size_t cells = per_degree.size() / kDegrees;
  for (std::size_t c = 0; c < outputs; ++c) {
    for (std::size_t cell = 0; cell < cells; ++cell) per_degree[cell * kDegrees + degree] += slices[c * cells + cell];
  }
}

// Under the measure gaussian: the products of the means beside what higher degrees contribute, of all positions.
template <class T>
void finish_degrees(const Models<T>& rows, const Models<T>& columns, std::vector<double>& per_degree) {
  double* cell = per_degree.data();
  for (const PreparedModel<T>* a : rows) {
    for (const PreparedModel<T>* b : columns) {
      for (std::size_t c = 0; c < a->mean.size(); ++c) cell[0] += a->mean[c] * b->mean[c];
      for (std::size_t degree = 0; degree < kDegrees; ++degree, ++cell) *cell *= static_cast<double>(a->positions);
    }
  }
}

template <class T>
std::vector<std::size_t> feature_offsets(const Models<T>& models) {
  for (const PreparedModel<T>* model : models) {
    if (!model->feature_offsets.empty()) return model->feature_offsets;
  }
  return {};
}

}  // namespace

// With P_c = 2⟨B_c, B'_c⟩, from factors or from forms:
//
//   gaussian            P_c + w_c·w'_c + m_c m'_c
//   tensor, one block   ½ (P_c + w_c·w'_c) + e_c e'_c
//   tensor, no block    w_c·w'_c + e_c e'_c
template <class T>
GramTile gram_tile(const Context& context, const GramJob& job, const Models<T>& rows, const Models<T>& columns) {
  GramTile tile;
  tile.total.assign(rows.size() * columns.size(), 0.0);
  if (rows.empty() || columns.empty()) return tile;
  check<T>(rows, columns);
  for (const PreparedModel<T>* a : rows) {
    for (const PreparedModel<T>* b : columns) weight_of(job.measure, *a, *b);  // refuse before computing anything
  }

  const std::size_t outputs = rows.front()->outputs, width = columns.size();
  const QuadraticProducts<T> quadratic(context, job.symmetric, rows, columns);
  const FeatureProducts<T> kept = kept_forms<T>(context, job.symmetric, rows, columns);
  const FormProducts<T> made = made_forms<T>(context, job.symmetric, rows, columns);
  const FeatureProducts<T> features = products_of<T>(
      context, job.symmetric, rows, columns, feature_offsets<T>(rows),
      [](const auto& model) -> const auto& { return model.features; });
  context.control.expect(quadratic.flops() + kept.flops() + made.flops() + features.flops());
  Scratch<double> slices(tile.total.size() * outputs);  // (outputs, rows, columns)
  context.parallel_for(outputs, tile.total.size(), [&](std::size_t c) {
    double* slice = slices.data() + c * tile.total.size();
    std::fill(slice, slice + tile.total.size(), 0.0);
  });
  quadratic.add(slices.data());
  kept.add(slices.data());
  made.add(slices.data());
  if (job.degrees) {
    tile.per_degree.assign(tile.total.size() * kDegrees, 0.0);
    add_sums(slices.data(), outputs, 2, tile.per_degree);
    // Once more by themselves: added to the slices they are, part by part, to what is there.
    Scratch<double> linear(slices.size());
    std::fill(linear.data(), linear.data() + linear.size(), 0.0);
    features.add(linear.data());
    add_sums(linear.data(), outputs, 1, tile.per_degree);
    finish_degrees<T>(rows, columns, tile.per_degree);
    if (job.symmetric) mirror_cells(tile.per_degree, width);
  }
  features.add(slices.data());

  // Output by output, so that memory is read in order; a total is the sum of its slices in theirs.
  const bool means = job.measure == Measure::kGaussian;
  context.parallel_for(rows.size(), outputs * width, [&](std::size_t i) {
    const PreparedModel<T>& a = *rows[i];
    const std::vector<double>& x = means ? a.mean : a.constant;
    const double positions = static_cast<double>(a.positions);
    double* total = tile.total.data() + i * width;
    for (std::size_t c = 0; c < outputs; ++c) {
      double* slice = slices.data() + (c * rows.size() + i) * width;
      for (std::size_t j = job.symmetric ? i : 0; j < width; ++j) {
        const PreparedModel<T>& b = *columns[j];
        slice[j] = positions * (weight_of(job.measure, a, b) * slice[j] + x[c] * (means ? b.mean : b.constant)[c]);
        total[j] += slice[j];
      }
    }
  });
  if (job.symmetric) mirror(tile.total.data(), width);
  if (!job.per_output) return tile;
  if (job.symmetric) {
    for (std::size_t c = 0; c < outputs; ++c) mirror(slices.data() + c * tile.total.size(), width);
  }
  tile.per_output.resize(slices.size());
  for (std::size_t at = 0; at < tile.total.size(); ++at) {
    for (std::size_t c = 0; c < outputs; ++c) {
      tile.per_output[at * outputs + c] = slices.data()[c * tile.total.size() + at];
    }
  }
  return tile;
}

template GramTile gram_tile<double>(const Context&, const GramJob&, const Models<double>&, const Models<double>&);
template GramTile gram_tile<float>(const Context&, const GramJob&, const Models<float>&, const Models<float>&);

}  // namespace tensim
