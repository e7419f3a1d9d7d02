#include "prepared_model.h"

#include <algorithm>
#include <limits>

#include "../core/assert.h"
#include "../core/matrix.h"
#include "../gemm/pack_rows.h"

namespace tensim {
namespace {

// Forms of so many bytes, and so many times as large as what they are made of, are made where they are wanted.
constexpr std::size_t kLargeForms = std::size_t{1} << 20;
constexpr std::size_t kWorthMaking = 3;

constexpr std::size_t kMostLanes = 64;  // of a panel; no kernel's is wider

// D of the units of a panel of columns, [output][unit in panel].
template <class T>
void pack_column_weights(const MatrixView& down, std::size_t panel, std::size_t width, T* weights) {
  const std::size_t first = panel * width, lanes = std::min(width, down.columns - first);
  const auto* data = static_cast<const double*>(down.data);  // D is always folded, so float64 and row-major
  for (std::size_t c = 0; c < down.rows; ++c, weights += width) {
    const double* row = data + static_cast<std::ptrdiff_t>(c) * down.row_stride + first;
    for (std::size_t u = 0; u < lanes; ++u) weights[u] = static_cast<T>(row[u]);
    std::fill(weights + lanes, weights + width, T(0));
  }
}

// D of rows, [group of outputs][unit][output in group], with zeros for units up to `units`.
template <class T>
void pack_row_weights(const MatrixView& down, const std::vector<OutputGroup>& groups, std::size_t units, T* weights) {
  const auto* data = static_cast<const double*>(down.data);
  for (const OutputGroup& group : groups) {
    for (std::size_t u = 0; u < units; ++u) {
      for (std::size_t c = 0; c < group.count; ++c) {
        const auto row = static_cast<std::ptrdiff_t>(group.first + c);
        *weights++ =
            u < down.columns ? static_cast<T>(data[row * down.row_stride + static_cast<std::ptrdiff_t>(u)]) : T(0);
      }
    }
  }
}

// The rows of L and R as panels of the pair kernel.
template <class T, class S>
void pack_units(const Context& context, const S* left, const S* right, const MatrixView& down,
                PreparedModel<T>& model) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr);
  TENSIM_ASSERT(mr <= kMostLanes && nr <= kMostLanes && mr % 2 == 0 && nr % 2 == 0);
  const std::size_t row_units = mr / 2, column_units = nr / 2, depth = model.depth, outputs = model.outputs;
  const std::vector<S> zeros(model.units % row_units + model.units % column_units == 0 ? 0 : depth, S(0));
  // Units that fill up a panel are zero.
  const auto row_of = [&](const S* side, std::size_t unit) {
    return unit < model.units ? side + unit * depth : zeros.data();
  };
  context.parallel_for(model.row_panel_count, mr * depth, [&](std::size_t p) {
    const S* lanes[kMostLanes];
    for (std::size_t u = 0; u < row_units; ++u) {
      lanes[2 * u] = row_of(left, p * row_units + u);
      lanes[2 * u + 1] = row_of(right, p * row_units + u);
    }
    interleave(kernels, lanes, mr, depth, mr, model.row_panels.data() + p * mr * depth);
  });
  context.parallel_for(model.column_panel_count, nr * depth, [&](std::size_t p) {
    const S* lanes[kMostLanes];
    for (std::size_t u = 0; u < column_units; ++u) {
      lanes[u] = row_of(left, p * column_units + u);
      lanes[column_units + u] = row_of(right, p * column_units + u);
    }
    interleave(kernels, lanes, nr, depth, nr, model.column_panels.data() + p * nr * depth);
    pack_column_weights(down, p, column_units, model.column_weights.data() + p * column_units * outputs);
  });
}

template <class T>
void pack_units(const Context& context, const QuadraticMap& map, PreparedModel<T>& model) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr);
  TENSIM_ASSERT(mr <= kMostLanes && nr <= kMostLanes && mr % 2 == 0 && nr % 2 == 0);
  const std::size_t row_units = mr / 2, column_units = nr / 2, depth = model.depth, outputs = map.outputs;
  model.row_panel_count = (model.units + row_units - 1) / row_units;
  model.column_panel_count = (model.units + column_units - 1) / column_units;
  model.row_panels = AlignedBuffer<T>::lasting(model.row_panel_count * mr * depth);
  model.column_panels = AlignedBuffer<T>::lasting(model.column_panel_count * nr * depth);
  model.row_weights = AlignedBuffer<T>::lasting(model.row_panel_count * row_units * outputs);
  model.column_weights = AlignedBuffer<T>::lasting(model.column_panel_count * column_units * outputs);
  const MatrixView &left = map.left.view, &right = map.right.view, &down = map.down.view;
  pack_row_weights(down, output_groups(kernels, outputs), model.row_panel_count * row_units, model.row_weights.data());
  if (left.dtype == right.dtype && contiguous(left) && contiguous(right)) {
    visit(left,
          [&](const auto* data) { pack_units(context, data, static_cast<decltype(data)>(right.data), down, model); });
  } else {
    const auto own_left = Matrix<double>::copy(left), own_right = Matrix<double>::copy(right);
    pack_units(context, own_left.data(), own_right.data(), down, model);
  }
}

}  // namespace

template <class T>
std::size_t PreparedModel<T>::bytes() const {
  return row_panels.bytes() + column_panels.bytes() + row_weights.bytes() + column_weights.bytes() + features.bytes() +
         embedding_rows.bytes() + embedding_columns.bytes() + forms.bytes() + factors.bytes() +
         feature_offsets.size() * sizeof(std::size_t) + (constant.size() + mean.size()) * sizeof(double);
}

template <class T>
PreparedModel<T> prepare(const Context& context, const QuadraticMap& map, Route route, bool once) {
  PreparedModel<T> model;
  model.route = route;
  model.inputs = map.inputs;
  model.depth = map.block ? map.left.view.columns : map.inputs;
  model.outputs = map.outputs;
  model.block = map.block;
  model.units = map.block ? map.left.view.rows : 0;
  Moments parts = moments(context, map);
  model.constant = std::move(parts.constant);
  model.mean = std::move(parts.mean);
  if (!parts.linear.empty()) {
    model.features = AlignedBuffer<T>::lasting(parts.linear.size());
    std::transform(parts.linear.data(), parts.linear.data() + parts.linear.size(), model.features.data(),
                   [](double x) { return static_cast<T>(x); });
    for (std::size_t c = 0; c <= model.outputs; ++c) model.feature_offsets.push_back(c * model.inputs);
  }
  if (model.units == 0) return model;
  if (route == Route::kDense) {
    FormFactors<T> factors = form_factors<T>(context, map);
    const std::size_t forms = model.outputs * dense_form_size(model.inputs) * sizeof(T);
    if (once && forms >= kLargeForms && forms >= kWorthMaking * factors.bytes()) {
      model.factors = std::move(factors);
    } else {
      model.forms = dense_form<T>(context, factors);
    }
    return model;
  }
  pack_units(context, map, model);
  if (route == Route::kUnfolded) {
    const MicroKernels<T>& kernels = context.kernels.of<T>();
    model.embedding_rows = pack_rows<T>(context, map.embedding.view, static_cast<std::size_t>(kernels.mr));
    model.embedding_columns = pack_rows<T>(context, map.embedding.view, static_cast<std::size_t>(kernels.nr));
  }
  return model;
}

template <class T>
PreparedModel<T> prepare_features(const std::vector<MatrixView>& segments) {
  PreparedModel<T> model;
  model.outputs = segments.size();
  model.constant.assign(segments.size(), 0.0);
  model.mean.assign(segments.size(), 0.0);
  model.feature_offsets.push_back(0);
  for (const MatrixView& segment : segments)
    model.feature_offsets.push_back(model.feature_offsets.back() + segment.rows);
  model.features = AlignedBuffer<T>::lasting(model.feature_offsets.back());
  for (std::size_t s = 0; s < segments.size(); ++s) {
    visit(segments[s], [&](const auto* data) {
      std::transform(data, data + segments[s].rows, model.features.data() + model.feature_offsets[s],
                     [](auto x) { return static_cast<T>(x); });
    });
  }
  return model;
}

template struct PreparedModel<double>;
template struct PreparedModel<float>;
template PreparedModel<double> prepare<double>(const Context&, const QuadraticMap&, Route, bool);
template PreparedModel<float> prepare<float>(const Context&, const QuadraticMap&, Route, bool);
template PreparedModel<double> prepare_features<double>(const std::vector<MatrixView>&);
template PreparedModel<float> prepare_features<float>(const std::vector<MatrixView>&);

}  // namespace tensim
