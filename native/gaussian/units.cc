#include "units.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "../core/error.h"
#include "../gemm/gemm.h"

namespace tensim {
namespace {

double length_of(const double* row, std::size_t size) {
  double sum = 0;
  for (std::size_t j = 0; j < size; ++j) sum += row[j] * row[j];
  // Squares between these add up without leaving the range of numbers, nor losing a digit to its end.
  if (sum > 0x1p-900 && sum < 0x1p900) return std::sqrt(sum);
  double most = 0;
  for (std::size_t j = 0; j < size; ++j) most = std::max(most, std::abs(row[j]));
  if (most == 0 || !std::isfinite(most)) return most;
  sum = 0;
  for (std::size_t j = 0; j < size; ++j) sum += (row[j] / most) * (row[j] / most);
  return most * std::sqrt(sum);
}

// k where φ(s x) = s^k φ(x) for every s > 0.
std::optional<int> homogeneous(ActivationKind kind) {
  using Kind = ActivationKind;
  if (kind == Kind::kHeaviside) return 0;
  if (kind == Kind::kSquare || kind == Kind::kRelu2) return 2;
  const bool linear = kind == Kind::kIdentity || kind == Kind::kRelu || kind == Kind::kLeakyRelu ||
                      kind == Kind::kPrelu || kind == Kind::kAbs;
  return linear ? std::optional<int>(1) : std::nullopt;
}

// φ(m + s z) = s^k φ(m/s + z): D takes the sizes, so that no number depends on units.
void to_unit_deviations(int degree, FoldedUnits& units) {
  // How many deviations from zero a mean may be that is divided by the deviation.
  constexpr double kFarthestMean = 0x1p200;
  units.given.powers.assign(units.hidden, 1);
  for (std::size_t i = 0; i < units.hidden; ++i) {
    const double size = units.deviations[i];
    if (!(size > 0 && std::abs(units.means[i]) / size < kFarthestMean)) continue;
    units.means[i] /= size;
    units.deviations[i] = 1;
    const double power = degree == 2 ? size * size : degree == 1 ? size : 1;
    units.given.powers[i] = power;
    for (std::size_t c = 0; c < units.outputs; ++c) units.down.own[c * units.hidden + i] *= power;
  }
}

// A block of units as one of the layers gives it. What is absent is as in GatedView.
struct UnitBlock {
  MatrixView weight, bias;  // absent weight: the identity
  std::size_t width = 0;    // h
  bool gated = false;
  MatrixView up, up_bias;
  MatrixView down, down_bias, skip;
  double alpha = 0, beta = 1;
  Activation activation;
  MatrixView slopes;
};

// A chain while it is folded, layer after layer.
struct Folding {
  const Context& context;
  FoldedFront front;
  MatrixView gain;
  FoldedUnits units;
  bool block = false;

  void add(const LinearView& layer) {
    if (!block) return front.add(context, layer);
    units.down = folded_product(context, layer.weight, units.down.view);
    units.given.down = {};
    if (!absent(units.skip.view)) units.skip = folded_product(context, layer.weight, units.skip.view);
    units.constant = multiply_vector(context, layer.weight, units.constant, layer.bias);
  }

  void add(const BilinearView& layer) {
    add(UnitBlock{layer.left,
                  layer.left_bias,
                  layer.units(),
                  true,
                  layer.right,
                  layer.right_bias,
                  layer.down,
                  layer.down_bias,
                  {},
                  layer.alpha,
                  layer.beta,
                  {ActivationKind::kIdentity, 0},
                  {}});
  }

  void add(const HiddenView& layer) {
    UnitBlock units = around(layer, layer.units());
    units.weight = layer.weight;
    units.bias = layer.bias;
    add(units);
  }

  void add(const GatedView& layer) {
    UnitBlock units = around(layer, layer.units());
    units.weight = layer.gate;
    units.bias = layer.gate_bias;
    units.gated = true;
    units.up = layer.up;
    units.up_bias = layer.up_bias;
    add(units);
  }

  void add(const ActivationView& layer) {
    UnitBlock units;
    units.width = layer.width();
    units.activation = layer.activation;
    units.slopes = layer.slopes;
    add(units);
  }

  template <class View>
  void add(const View& layer) {
    refuse_layer(layer, "the method hidden does not know");
  }

  // What hidden layers and gated blocks share.
  template <class View>
  static UnitBlock around(const View& layer, std::size_t width) {
    UnitBlock units;
    units.width = width;
    units.activation = layer.activation;
    units.slopes = layer.slopes;
    units.down = layer.down;
    units.down_bias = layer.down_bias;
    units.skip = layer.skip;
    units.alpha = layer.alpha;
    units.beta = layer.beta;
    return units;
  }

  void add(const UnitBlock& layer) {
    if (block) throw Error("UNSUPPORTED_LAYER", "the method hidden takes chains of one block");
    block = true;
    units.activation = layer.activation;
    units.hidden = layer.width;
    if (!absent(layer.slopes)) units.slopes = vector_of(layer.slopes, layer.width);
    units.down = absent(layer.down) ? scaled_identity(layer.width, layer.beta) : scaled(layer.down, layer.beta);
    units.constant = vector_of(layer.down_bias, units.down.view.rows);
    for (double& c : units.constant) c *= layer.beta;
    add_beside(layer);
    if (layer.beta == 1) units.given.down = layer.down;
    if (front.identity && front.sigma == 1) {
      units.given.weight = layer.weight;
      units.given.up = layer.up;
      units.given.gain = gain;
    }
    if (layer.gated) {
      units.gated = true;
      units.constants = multiply_vector(context, layer.up, front.offset, layer.up_bias);
      units.across = Matrix<double>::copy(front.after(context, layer.up).view);
    }
    if (absent(layer.weight)) {
      units.means = front.offset;
      units.directions = Matrix<double>::copy(front.take(layer.width).view);
    } else {
      units.means = multiply_vector(context, layer.weight, front.offset, layer.bias);
      units.directions = Matrix<double>::copy(front.after(context, layer.weight).view);
    }
    split();
  }

  // What leads past the block: α x + S x.
  void add_beside(const UnitBlock& layer) {
    if (layer.alpha == 0 && absent(layer.skip)) return;
    FoldedMatrix beside = scaled_identity(units.constant.size(), layer.alpha);
    if (!absent(layer.skip)) {
      FoldedMatrix sum = scaled(layer.skip, 1);
      for (std::size_t i = 0; layer.alpha != 0 && i < layer.skip.rows; ++i) {
        sum.own[i * layer.skip.columns + i] += layer.alpha;
      }
      beside = std::move(sum);
    }
    units.constant = multiply_vector(context, beside.view, front.offset,
                                     MatrixView::row_major(units.constant.data(), units.constant.size(), 1));
    const FoldedMatrix moved = front.after(context, beside.view);
    units.skip = scaled(moved.view, 1);
  }

  // W = s Ŵ and U = β Ŵ + U⊥, row by row.
  void split() {
    const std::size_t width = units.directions.columns, hidden = units.hidden;
    units.deviations.resize(hidden);
    if (units.gated) {
      units.along.resize(hidden);
      units.lengths.resize(hidden);
    }
    context.parallel_for(hidden, 4 * width, [&](std::size_t i) {
      double* direction = units.directions.row(i);
      const double length = length_of(direction, width);
      units.deviations[i] = length;
      if (length > 0) {
        for (std::size_t j = 0; j < width; ++j) direction[j] /= length;
      }
      if (!units.gated) return;
      double* across = units.across.row(i);
      double along = 0;
      for (std::size_t j = 0; j < width; ++j) along += across[j] * direction[j];
      for (std::size_t j = 0; j < width; ++j) across[j] -= along * direction[j];
      units.along[i] = along;
      units.lengths[i] = length_of(across, width);
    });
    units.given.lengths = units.deviations;
  }
};

}  // namespace

FoldedUnits fold_units(const Context& context, const ChainView& chain) {
  Folding folding{context, FoldedFront(chain), chain.gain, {}};
  FoldedUnits& units = folding.units;
  units.inputs = absent(chain.law.factor) ? chain.inputs : chain.law.factor.columns;
  for (const LayerView& layer : chain.layers) {
    context.control.throw_if_aborted();
    std::visit([&](const auto& view) { folding.add(view); }, layer);
  }
  if (!folding.block) {
    units.constant = std::move(folding.front.offset);
    const bool identity = folding.front.identity;
    units.skip = identity ? scaled_identity(chain.inputs, folding.front.sigma) : scaled(folding.front.matrix.view, 1);
  }
  units.outputs = units.constant.size();
  const std::optional<int> degree = homogeneous(units.activation.kind);
  if (degree && units.hidden > 0) to_unit_deviations(*degree, units);
  return std::move(units);
}

}  // namespace tensim
