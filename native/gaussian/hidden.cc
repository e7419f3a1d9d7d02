#include "hidden.h"

#include <algorithm>
#include <cmath>

#include "../gemm/gemm.h"
#include "../gemm/pack_rows.h"
#include "activations/coefficients.h"
#include "activations/pieces.h"
#include "hidden_pair.h"

namespace tensim {
namespace {

// Degrees that are kept where they are enough, and where they are not: what asks for more is listed.
constexpr std::size_t kTerms = 64, kMoreTerms = 192;
// Tails behind kTerms that are this small beside the units are what rounding leaves of them.
constexpr double kNoTail = 1e-7;
// A norm smaller than this part of a guess that is made of the units alone is not known well enough to measure by.
constexpr double kCancelled = 0x1p-36;
// How much larger than a norm the guess of it may have been.
constexpr double kClose = 3;

// The degree of p, where φ is a polynomial.
std::size_t degree_of(const FoldedUnits& folded) {
  const std::size_t more = folded.gated ? 1 : 0;
  if (folded.activation.kind == ActivationKind::kIdentity) return 1 + more;
  if (folded.activation.kind == ActivationKind::kSquare) return 2 + more;
  return 0;
}

// The tail behind the last degree, by Parseval: of hidden units T of p, of gated ones that of |p_n| + ‖U⊥‖ √n |q_(n−1)|
// or, of steps, without the root.
double rest_of(const HiddenUnit& own, double p_squares, double q_squares, double derivative, bool stepped) {
  const double all = own.energy_q + (stepped ? 0 : derivative);
  return std::sqrt(std::max(0.0, own.energy_p - p_squares)) + own.length * std::sqrt(std::max(0.0, all - q_squares));
}

// Expands unit i, whose coefficients of φ are `row`, n ≤ terms + 1.
void expand(const FoldedUnits& folded, std::size_t i, const double* row, std::size_t degree, bool stepped,
            HiddenSeries& series, HiddenUnit& own) {
  const double u = folded.gated ? folded.constants[i] : 1, beta = folded.gated ? folded.along[i] : 0;
  own.unit = {{folded.activation_of(i), folded.means[i], folded.deviations[i]}, u, beta};
  own.length = folded.gated ? folded.lengths[i] : 0;
  double p_squares = 0, q_squares = 0, q_plain = 0, p_higher = 0, q_higher = 0;
  for (std::size_t n = 0; n <= series.terms; ++n) {
    const auto order = static_cast<double>(n);
    const double below = n == 0 ? 0 : row[n - 1];
    const double p = u * row[n] + beta * (std::sqrt(order) * below + std::sqrt(order + 1) * row[n + 1]);
    p_squares += p * p;
    q_plain += below * below;
    q_squares += (stepped ? 1 : order) * below * below;
    if (n == 0) own.p0 = p;
    if (n == 1) own.p1 = p, own.q0 = below;
    if (n == 2) own.p2 = p, own.q1 = below;
    if (n < 2) continue;
    if (n > 2) p_higher += p * p, q_higher += below * below;
    series.p.row(i)[n - 2] = p;
    if (folded.gated) series.q.row(i)[n - 2] = std::sqrt(order) * below;
  }
  double rest = 0;
  if (degree > 0) {  // a polynomial ends with its degree
    own.energy_p = p_squares;
    own.energy_q = q_plain;
  } else if (folded.gated) {
    const GatedKernels kernels = gated_kernels(own.unit, own.unit, 1);
    own.energy_p = kernels.pp;
    own.energy_q = kernels.qq;
    rest = rest_of(own, p_squares, q_squares, kernels.dq_dq, stepped);
  } else {
    rest = rest_of(own, p_squares, 0, 0, true);
  }
  own.higher = p_higher + std::max(0.0, own.energy_p - p_squares) +
               own.length * own.length * (q_higher + std::max(0.0, own.energy_q - q_plain));
  double squares = rest * rest;
  for (std::size_t n = series.terms; n >= 2; --n) {
    series.tails.row(i)[n - 2] = std::sqrt(squares);
    const double q = folded.gated ? series.q.row(i)[n - 2] / (stepped ? std::sqrt(static_cast<double>(n)) : 1) : 0;
    const double both = std::abs(series.p.row(i)[n - 2]) + own.length * std::abs(q);
    squares += both * both;
  }
}

template <class T>
HiddenSeries series_of(const Context& context, const FoldedUnits& folded, std::size_t terms, PreparedHidden<T>& model) {
  const std::size_t hidden = folded.hidden, degree = degree_of(folded);
  HiddenSeries series{terms,
                      Matrix<double>(hidden, terms - 1),
                      Matrix<double>(folded.gated ? hidden : 0, terms - 1),
                      Matrix<double>(hidden, terms - 1),
                      {}};
  // One more than is kept: p_n reaches for q_(n+1).
  Matrix<double> values(hidden, terms + 2);
  std::vector<double> energy(hidden);
  coefficients(context, folded.activation, folded.slopes.empty() ? nullptr : folded.slopes.data(), folded.means.data(),
               folded.deviations.data(), hidden, terms + 1, values.data(), energy.data());
  model.units.assign(hidden, {});
  context.parallel_for(hidden, 64 * terms, [&](std::size_t i) {
    model.units[i].energy_p = energy[i];
    expand(folded, i, values.row(i), degree, model.stepped, series, model.units[i]);
  });
  return series;
}

// The largest of |D_ci| in the scale of output c.
std::vector<double> weights_of(const FoldedUnits& folded, const std::vector<double>& scales) {
  std::vector<double> weights(folded.hidden, 0.0);
  for (std::size_t c = 0; c < folded.outputs; ++c) {
    for (std::size_t i = 0; scales[c] > 0 && i < folded.hidden; ++i) {
      weights[i] = std::max(weights[i], std::abs(element(folded.down.view, c, i)) / scales[c]);
    }
  }
  return weights;
}

template <class T>
void pack_side(const Context& context, const FoldedUnits& folded, const HiddenSeries& series, std::size_t width,
               HiddenSide<T>& side) {
  side.width = width;
  side.panels = (folded.hidden + width - 1) / width;
  side.directions = pack_rows<T>(context, folded.directions.view(), width);
  side.down = pack_rows<T>(context, folded.down.view.transpose(), width);
  side.p = pack_rows<T>(context, series.p.view(), width);
  if (folded.gated) {
    side.across = pack_rows<T>(context, folded.across.view(), width);
    side.q = pack_rows<T>(context, series.q.view(), width);
  }
}

// D in panels of `width` outputs, part by part: what a part reads of it lies together. Were it cut out of panels over
// all units, the pieces would lie h apart, where they take each other's places in the caches.
template <class T>
AlignedBuffer<T> pack_outputs(const Context& context, const MatrixView& down, std::size_t width, std::size_t part) {
  const std::size_t outputs = down.rows, hidden = down.columns, panels = (outputs + width - 1) / width;
  AlignedBuffer<T> packed = AlignedBuffer<T>::lasting(panels * width * hidden);
  const std::vector<std::ptrdiff_t> rows = strided_offsets(outputs, down.row_stride),
                                    columns = strided_offsets(hidden, down.column_stride);
  context.parallel_for((hidden + part - 1) / part, panels * width * part, [&](std::size_t at) {
    const std::size_t first = at * part, units = std::min(part, hidden - first);
    visit(down, [&](const auto* data) {
      for (std::size_t c = 0; c < panels; ++c) {
        pack_panel(data, rows.data() + c * width, std::min(width, outputs - c * width), columns.data() + first, units,
                   width, T(1), packed.data() + (first * panels + c * units) * width);
      }
    });
  });
  return packed;
}

// √E of a unit.
double size_of(const HiddenUnit& unit) {
  return std::sqrt(unit.energy_p + unit.length * unit.length * unit.energy_q);
}

template <class T>
void pack_tails(const PreparedHidden<T>& model, const HiddenSeries& series, const std::vector<double>& weights,
                HiddenSide<T>& side) {
  const HiddenTails tails = group_tails(model.units, series, weights, side.width);
  side.tails.resize(tails.sums.size());
  side.shares.resize(side.panels);
  for (std::size_t panel = 0; panel < side.panels; ++panel) {
    const double own = tails.owns[panel];
    side.shares[panel] = own == 0 ? 0 : own / tails.all;
    for (std::size_t at = panel * (series.terms - 1); at < (panel + 1) * (series.terms - 1); ++at) {
      // Units that are zero have no tails.
      side.tails[at] = std::log(own == 0 ? 0 : tails.sums[at] / own * tails.all);
    }
  }
}

// F_0 = c + D p_0 and F_1 = S + D (p_1 Ŵ + q_0 U⊥); gives ‖F_0‖² + ‖F_1‖² of every output.
template <class T>
std::vector<double> low_degrees(const Context& context, const FoldedUnits& folded, PreparedHidden<T>& model) {
  const std::size_t inputs = folded.inputs, outputs = folded.outputs, hidden = folded.hidden;
  std::vector<double> zeroth(hidden);
  for (std::size_t i = 0; i < hidden; ++i) zeroth[i] = model.units[i].p0;
  model.constant = folded.constant;
  Matrix<double> linear =
      absent(folded.skip.view) ? Matrix<double>::zeros(outputs, inputs) : Matrix<double>::copy(folded.skip.view);
  if (hidden > 0) {
    model.constant =
        multiply_vector(context, folded.down.view, zeroth, MatrixView::row_major(folded.constant.data(), outputs, 1));
    Matrix<double> rows(hidden, inputs);
    context.parallel_for(hidden, inputs, [&](std::size_t i) {
      for (std::size_t j = 0; j < inputs; ++j) {
        const double across = folded.gated ? model.units[i].q0 * folded.across.row(i)[j] : 0;
        rows.row(i)[j] = model.units[i].p1 * folded.directions.row(i)[j] + across;
      }
    });
    gemm<double>(context, folded.down.view, rows.view(), linear.data(), static_cast<std::ptrdiff_t>(inputs), 1, true);
  }
  std::vector<double> squares(outputs);
  bool zero = true;
  for (std::size_t c = 0; c < outputs; ++c) {
    squares[c] = model.constant[c] * model.constant[c];
    for (std::size_t j = 0; j < inputs; ++j) {
      squares[c] += linear.row(c)[j] * linear.row(c)[j];
      zero = zero && linear.row(c)[j] == 0;
    }
  }
  if (zero) return squares;
  model.features = AlignedBuffer<T>::lasting(outputs * inputs);
  for (std::size_t at = 0; at < outputs * inputs; ++at) model.features[at] = static_cast<T>(linear.data()[at]);
  for (std::size_t c = 0; c <= outputs; ++c) model.feature_offsets.push_back(c * inputs);
  return squares;
}

// Σ_i D_ci² E_i without the degrees 0 and 1, of every output: what the units added to ‖f_c‖² if they were independent.
template <class T>
std::vector<double> independent_squares(const FoldedUnits& folded, const PreparedHidden<T>& model) {
  std::vector<double> squares(folded.outputs, 0.0);
  for (std::size_t i = 0; i < folded.hidden; ++i) {
    const HiddenUnit& own = model.units[i];
    const double square = own.length * own.length;
    const double energy =
        own.energy_p + square * own.energy_q - own.p0 * own.p0 - own.p1 * own.p1 - square * own.q0 * own.q0;
    for (std::size_t c = 0; c < folded.outputs; ++c) {
      const double down = element(folded.down.view, c, i);
      squares[c] += down * down * std::max(0.0, energy);
    }
  }
  return squares;
}

}  // namespace

template <class T>
std::size_t PreparedHidden<T>::bytes() const {
  return rows.bytes() + columns.bytes() + units.size() * sizeof(HiddenUnit) + features.bytes() +
         constant.size() * sizeof(double) + feature_offsets.size() * sizeof(std::size_t);
}

HiddenTails group_tails(const std::vector<HiddenUnit>& units, const HiddenSeries& series,
                        const std::vector<double>& weights, std::size_t width) {
  const std::size_t hidden = units.size(), panels = (hidden + width - 1) / width;
  HiddenTails tails{std::vector<double>(panels * (series.terms - 1)), std::vector<double>(panels), 0};
  for (std::size_t i = 0; i < hidden; ++i) tails.all += weights[i] * size_of(units[i]);
  for (std::size_t panel = 0; panel < panels; ++panel) {
    const std::size_t first = panel * width, last = std::min(hidden, first + width);
    for (std::size_t i = first; i < last; ++i) tails.owns[panel] += weights[i] * size_of(units[i]);
    for (std::size_t k = 0; k + 1 < series.terms; ++k) {
      double& tail = tails.sums[panel * (series.terms - 1) + k];
      for (std::size_t i = first; i < last; ++i) tail += weights[i] * series.tails.row(i)[k];
    }
  }
  return tails;
}

template <class T>
HiddenSeries expand_hidden(const Context& context, const FoldedUnits& folded, std::size_t positions,
                           PreparedHidden<T>& model) {
  model.inputs = folded.inputs;
  model.outputs = folded.outputs;
  model.positions = positions;
  model.hidden = folded.hidden;
  model.gated = folded.gated;
  model.stepped = folded.gated && pieces_of(folded.activation).step;
  model.self.slices.assign(folded.outputs, 0.0);
  HiddenSeries series;
  if (folded.hidden > 0) {
    const std::size_t degree = degree_of(folded);
    series = series_of<T>(context, folded, degree > 0 ? std::max<std::size_t>(2, degree) : kTerms, model);
    if (degree == 0) {
      bool enough = true;
      for (std::size_t i = 0; i < folded.hidden; ++i) {
        enough = enough && series.tails.row(i)[kTerms - 2] <= kNoTail * size_of(model.units[i]);
      }
      if (!enough) series = series_of<T>(context, folded, kMoreTerms, model);
    }
    model.terms = series.terms;
  }
  series.low = low_degrees<T>(context, folded, model);
  return series;
}

template <class T>
void fit_scales(const FoldedUnits& folded, const HiddenSeries& series, PreparedHidden<T>& model,
                const std::function<void(const std::vector<double>& weights)>& with_itself) {
  const std::vector<double>& low = series.low;
  std::vector<double> guess = independent_squares<T>(folded, model);
  for (std::size_t c = 0; c < folded.outputs; ++c) guess[c] = std::sqrt(low[c] + guess[c]);
  model.scales = guess;
  if (folded.hidden == 0) return;
  // Errors are measured by ‖f_c‖, which is not known before: where a first guess turns out to be far too large, the
  // product is taken once more.
  with_itself(weights_of(folded, model.scales));
  std::vector<double> norms(folded.outputs);
  bool close = true;
  for (std::size_t c = 0; c < folded.outputs; ++c) {
    norms[c] = std::max(std::sqrt(std::max(0.0, low[c] + model.self.slices[c])), kCancelled * guess[c]);
    close = close && guess[c] <= kClose * norms[c];
  }
  if (close) return;
  model.scales = norms;
  with_itself(weights_of(folded, model.scales));
}

template <class T>
PreparedHidden<T> prepare_hidden(const Context& context, const FoldedUnits& folded, std::size_t positions) {
  PreparedHidden<T> model;
  const HiddenSeries series = expand_hidden<T>(context, folded, positions, model);
  if (folded.hidden > 0) {
    const MicroKernels<T>& kernels = context.kernels.of<T>();
    pack_side(context, folded, series, static_cast<std::size_t>(kernels.mr), model.rows);
    pack_side(context, folded, series, static_cast<std::size_t>(kernels.nr), model.columns);
    model.rows.outputs = pack_outputs<T>(context, folded.down.view, model.rows.width, model.part());
  }
  fit_scales<T>(folded, series, model, [&](const std::vector<double>& weights) {
    pack_tails(model, series, weights, model.rows);
    pack_tails(model, series, weights, model.columns);
    model.self = hidden_products<T>(context, model, model, true);
  });
  return model;
}

template struct PreparedHidden<double>;
template struct PreparedHidden<float>;
template HiddenSeries expand_hidden<double>(const Context&, const FoldedUnits&, std::size_t, PreparedHidden<double>&);
template HiddenSeries expand_hidden<float>(const Context&, const FoldedUnits&, std::size_t, PreparedHidden<float>&);
template void fit_scales<double>(const FoldedUnits&, const HiddenSeries&, PreparedHidden<double>&,
                                 const std::function<void(const std::vector<double>&)>&);
template void fit_scales<float>(const FoldedUnits&, const HiddenSeries&, PreparedHidden<float>&,
                                const std::function<void(const std::vector<double>&)>&);
template PreparedHidden<double> prepare_hidden<double>(const Context&, const FoldedUnits&, std::size_t);
template PreparedHidden<float> prepare_hidden<float>(const Context&, const FoldedUnits&, std::size_t);

}  // namespace tensim
