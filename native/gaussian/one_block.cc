#include "one_block.h"

#include <algorithm>

#include "../gemm/gemm.h"

namespace tensim {
namespace {

FoldedMatrix multiply(const Context& context, const MatrixView& a, const MatrixView& b) {
  FoldedMatrix c = FoldedMatrix::allocate(a.rows, b.columns);
  gemm<double>(context, a, b, c.data(), static_cast<std::ptrdiff_t>(b.columns));
  return c;
}

FoldedMatrix scaled(const MatrixView& a, double factor) {
  FoldedMatrix c = FoldedMatrix::allocate(a.rows, a.columns);
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j < a.columns; ++j) c.own[i * a.columns + j] = factor * element(a, i, j);
  }
  return c;
}

FoldedMatrix scaled_identity(std::size_t size, double factor) {
  FoldedMatrix c = FoldedMatrix::allocate(size, size);
  c.own.clear();
  for (std::size_t i = 0; i < size; ++i) c.own[i * size + i] = factor;
  return c;
}

// The affine map z ↦ P z + p from the whitened input to where the chain has got. P = sigma · I is not stored.
struct FoldedFront {
  bool identity = true;
  double sigma = 1;
  FoldedMatrix matrix;
  std::vector<double> offset;

  // W·P, borrowing W itself where that is the same.
  FoldedMatrix after(const Context& context, const MatrixView& w) const {
    if (!identity) return multiply(context, w, matrix.view);
    if (sigma != 1) return scaled(w, sigma);
    FoldedMatrix borrowed;
    borrowed.view = w;
    return borrowed;
  }
};

}  // namespace

FoldedMatrix FoldedMatrix::allocate(std::size_t rows, std::size_t columns) {
  FoldedMatrix matrix;
  // An empty matrix is present all the same, so that a block without units stays distinct from no matrix at all.
  matrix.own = AlignedBuffer<double>(std::max<std::size_t>(1, rows * columns));
  matrix.view = MatrixView::row_major(matrix.own.data(), rows, columns);
  return matrix;
}

QuadraticMap fold(const Context& context, const std::vector<LayerView>& layers, const WhitenedLaw& law,
                  std::size_t inputs) {
  FoldedFront front;
  front.sigma = law.sigma;
  front.offset = vector_of(law.mean, inputs);
  if (!absent(law.factor)) {
    front.identity = false;
    front.matrix.view = law.factor;
  }

  QuadraticMap map;
  map.inputs = absent(law.factor) ? inputs : law.factor.columns;
  for (const LayerView& layer : layers) {
    context.control.throw_if_aborted();
    if (layer.type == LayerType::kLinear && !map.block) {  // before the block
      std::vector<double> offset = affine(context, layer.weight, front.offset, layer.bias);
      front.matrix = front.after(context, layer.weight);
      front.identity = false;
      front.offset = std::move(offset);
    } else if (layer.type == LayerType::kLinear) {  // after the block
      map.down = multiply(context, layer.weight, map.down.view);
      if (!absent(map.linear.view)) map.linear = multiply(context, layer.weight, map.linear.view);
      map.constant = affine(context, layer.weight, map.constant, layer.bias);
    } else {
      if (layer.type == LayerType::kAttention)
        throw Error("UNSUPPORTED_LAYER", "the method one-block does not know attention layers");
      if (map.block) throw Error("UNSUPPORTED_LAYER", "a chain with more than one block");
      map.block = true;
      map.left = front.after(context, layer.left);
      map.right = front.after(context, layer.right);
      map.left_bias = affine(context, layer.left, front.offset, layer.left_bias);
      map.right_bias = affine(context, layer.right, front.offset, layer.right_bias);
      map.down = absent(layer.down) ? scaled_identity(layer.left.rows, layer.beta) : scaled(layer.down, layer.beta);
      map.constant = vector_of(layer.down_bias, map.down.view.rows);
      for (double& c : map.constant) c *= layer.beta;
      if (layer.alpha != 0) {
        map.linear = front.identity ? scaled_identity(inputs, layer.alpha * front.sigma)
                                    : scaled(front.matrix.view, layer.alpha);
        for (std::size_t i = 0; i < map.constant.size(); ++i) map.constant[i] += layer.alpha * front.offset[i];
      }
    }
  }
  if (!map.block) {
    map.linear = front.identity ? scaled_identity(inputs, front.sigma) : std::move(front.matrix);
    map.constant = std::move(front.offset);
  }
  map.outputs = map.constant.size();
  return map;
}

Moments moments(const Context& context, const QuadraticMap& map) {
  Moments result;
  result.constant = map.constant;
  result.mean = map.constant;
  const std::size_t outputs = map.outputs, inputs = map.inputs, units = map.block ? map.left.view.rows : 0;

  if (!absent(map.linear.view)) {
    result.linear = AlignedBuffer<double>(outputs * inputs);
    for (std::size_t c = 0; c < outputs; ++c) {
      for (std::size_t j = 0; j < inputs; ++j) result.linear[c * inputs + j] = element(map.linear.view, c, j);
    }
  }
  if (units == 0) return result;

  // Σ_h D_ch l_h R_h and its mirror image, as products of D with scaled columns.
  const auto add_biased = [&](const std::vector<double>& bias, const MatrixView& other) {
    if (!any(bias)) return;
    FoldedMatrix weighted = scaled(map.down.view, 1);
    for (std::size_t c = 0; c < outputs; ++c) {
      for (std::size_t h = 0; h < units; ++h) weighted.own[c * units + h] *= bias[h];
    }
    if (result.linear.empty()) result.linear = AlignedBuffer<double>::zeros(outputs * inputs);
    gemm<double>(context, weighted.view, other, result.linear.data(), static_cast<std::ptrdiff_t>(inputs), 1, true);
  };
  add_biased(map.left_bias, map.right.view);
  add_biased(map.right_bias, map.left.view);

  std::vector<double> traces(units);
  context.parallel_for(units, [&](std::size_t h) {
    double sum = 0;
    for (std::size_t j = 0; j < inputs; ++j) sum += element(map.left.view, h, j) * element(map.right.view, h, j);
    traces[h] = sum;
  });
  for (std::size_t c = 0; c < outputs; ++c) {
    double constant = 0, trace = 0;
    for (std::size_t h = 0; h < units; ++h) {
      const double d = element(map.down.view, c, h);
      constant += d * map.left_bias[h] * map.right_bias[h];
      trace += d * traces[h];
    }
    result.constant[c] += constant;
    result.mean[c] += constant + trace;
  }
  return result;
}

}  // namespace tensim
