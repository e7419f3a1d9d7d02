#include "one_block.h"

#include <algorithm>
#include <type_traits>

#include "../core/error.h"
#include "../gemm/gemm.h"

namespace tensim {
namespace {

// Of row h of two matrices of the same width.
double row_product(const Context& context, const MatrixView& a, const MatrixView& b, std::size_t h) {
  if (a.dtype == b.dtype && a.column_stride == 1 && b.column_stride == 1) {
    double result = 0;
    visit(a, [&](const auto* data) {
      using T = std::remove_cv_t<std::remove_pointer_t<decltype(data)>>;
      const auto row = static_cast<std::ptrdiff_t>(h);
      result = context.kernels.of<T>().dot(a.columns, data + row * a.row_stride,
                                           static_cast<const T*>(b.data) + row * b.row_stride);
    });
    return result;
  }
  double sum = 0;
  for (std::size_t j = 0; j < a.columns; ++j) sum += element(a, h, j) * element(b, h, j);
  return sum;
}

bool is_linear(const LayerView& layer) {
  return std::holds_alternative<LinearView>(layer);
}

// How many layers make up the embedding: up to the narrowest one before the block.
std::size_t embedding_layers(const std::vector<LayerView>& layers) {
  std::size_t count = 0, narrowest = 0;
  for (std::size_t i = 0; i < layers.size() && is_linear(layers[i]); ++i) {
    const std::size_t outputs = std::get<LinearView>(layers[i]).outputs();
    if (count != 0 && outputs >= narrowest) continue;
    count = i + 1;
    narrowest = outputs;
  }
  return count;
}

// A chain while it is folded, layer after layer.
struct Folding {
  const Context& context;
  FoldedFront front;
  QuadraticMap map;

  void add(const LinearView& layer) {
    if (!map.block) {  // before the block
      front.add(context, layer);
      return;
    }
    map.down = folded_product(context, layer.weight, map.down.view);
    if (!absent(map.linear.view)) map.linear = folded_product(context, layer.weight, map.linear.view);
    map.constant = multiply_vector(context, layer.weight, map.constant, layer.bias);
  }

  void add(const BilinearView& layer) {
    if (map.block) throw Error("UNSUPPORTED_LAYER", "a chain with more than one block");
    map.block = true;
    map.left = front.after(context, layer.left);
    map.right = front.after(context, layer.right);
    map.left_bias = multiply_vector(context, layer.left, front.offset, layer.left_bias);
    map.right_bias = multiply_vector(context, layer.right, front.offset, layer.right_bias);
    map.down = absent(layer.down) ? scaled_identity(layer.units(), layer.beta) : scaled(layer.down, layer.beta);
    map.constant = vector_of(layer.down_bias, map.down.view.rows);
    for (double& c : map.constant) c *= layer.beta;
    if (layer.alpha == 0) return;
    map.linear = front.identity ? scaled_identity(layer.width(), layer.alpha * front.sigma)
                                : scaled(front.matrix.view, layer.alpha);
    for (std::size_t c = 0; c < map.constant.size(); ++c) map.constant[c] += layer.alpha * front.offset[c];
  }

  template <class View>
  void add(const View& layer) {
    refuse_layer(layer, "the method one-block does not know");
  }
};

}  // namespace

QuadraticMap fold_one_block(const Context& context, const ChainView& chain, bool unfold) {
  const std::vector<LayerView>& layers = chain.layers;
  Folding folding{context, FoldedFront(chain), {}};
  FoldedFront& front = folding.front;
  QuadraticMap& map = folding.map;
  map.inputs = absent(chain.law.factor) ? chain.inputs : chain.law.factor.columns;
  const bool has_block = !std::all_of(layers.begin(), layers.end(), is_linear);
  const std::size_t embedded = unfold && has_block ? embedding_layers(layers) : layers.size();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    context.control.throw_if_aborted();
    if (i == embedded) map.embedding = front.take(chain.inputs);
    std::visit([&](const auto& layer) { folding.add(layer); }, layers[i]);
  }
  if (!map.block) {
    map.linear = front.identity ? scaled_identity(chain.inputs, front.sigma) : std::move(front.matrix);
    map.constant = std::move(front.offset);
  }
  map.outputs = map.constant.size();
  return std::move(map);
}

Moments moments(const Context& context, const QuadraticMap& map) {
  Moments result;
  result.constant = map.constant;
  result.mean = map.constant;
  const std::size_t outputs = map.outputs, units = map.block ? map.left.view.rows : 0;
  const std::size_t width = map.block ? map.left.view.columns : map.inputs;

  if (!absent(map.linear.view)) {
    result.linear = AlignedBuffer<double>(outputs * width);
    for (std::size_t c = 0; c < outputs; ++c) {
      for (std::size_t j = 0; j < width; ++j) result.linear[c * width + j] = element(map.linear.view, c, j);
    }
  }

  // Σ_h D_ch l_h R_h and its mirror image, as products of D with scaled columns.
  const auto add_biased = [&](const std::vector<double>& bias, const MatrixView& other) {
    if (units == 0 || !any(bias)) return;
    FoldedMatrix weighted = scaled(map.down.view, 1);
    for (std::size_t c = 0; c < outputs; ++c) {
      for (std::size_t h = 0; h < units; ++h) weighted.own[c * units + h] *= bias[h];
    }
    if (result.linear.empty()) result.linear = AlignedBuffer<double>::zeros(outputs * width);
    gemm<double>(context, weighted.view, other, result.linear.data(), static_cast<std::ptrdiff_t>(width), 1, true);
  };
  add_biased(map.left_bias, map.right.view);
  add_biased(map.right_bias, map.left.view);
  const bool embedded = !absent(map.embedding.view);
  if (embedded && !result.linear.empty()) {
    const MatrixView through = MatrixView::row_major(result.linear.data(), outputs, width);
    result.linear = std::move(folded_product(context, through, map.embedding.view).own);
  }

  FoldedMatrix metric_left;  // L P Pᵀ
  if (embedded) {
    const FoldedMatrix metric = folded_product(context, map.embedding.view, map.embedding.view.transpose());
    metric_left = folded_product(context, map.left.view, metric.view);
  }
  const MatrixView& left = embedded ? metric_left.view : map.left.view;

  std::vector<double> traces(units);
  context.parallel_for(units, width, [&](std::size_t h) { traces[h] = row_product(context, left, map.right.view, h); });
  for (std::size_t c = 0; c < outputs; ++c) {
    double constant = 0, trace = 0;
    // D is always folded, so float64 and row-major.
    const double* const down = units == 0 ? nullptr
                                          : static_cast<const double*>(map.down.view.data) +
                                                static_cast<std::ptrdiff_t>(c) * map.down.view.row_stride;
    for (std::size_t h = 0; h < units; ++h) {
      constant += down[h] * map.left_bias[h] * map.right_bias[h];
      trace += down[h] * traces[h];
    }
    result.constant[c] += constant;
    result.mean[c] += constant + trace;
  }
  return result;
}

}  // namespace tensim
