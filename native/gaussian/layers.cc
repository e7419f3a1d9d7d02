#include "layers.h"

#include <algorithm>

#include "../gemm/gemm.h"

namespace tensim {
namespace {

template <class T>
Matrix<T> scaled_identity(std::size_t size, double factor) {
  Matrix<T> matrix = Matrix<T>::zeros(size, size);
  for (std::size_t i = 0; i < size; ++i) matrix.row(i)[i] = static_cast<T>(factor);
  return matrix;
}

}  // namespace

std::size_t LayerView::outputs() const {
  switch (type) {
    case LayerType::kLinear:
      return weight.rows;
    case LayerType::kAttention:
      return o.rows;
    default:
      return absent(down) ? left.rows : down.rows;
  }
}

double element(const MatrixView& view, std::size_t i, std::size_t j) {
  const std::ptrdiff_t at =
      static_cast<std::ptrdiff_t>(i) * view.row_stride + static_cast<std::ptrdiff_t>(j) * view.column_stride;
  return view.dtype == DType::kFloat64 ? static_cast<const double*>(view.data)[at]
                                       : static_cast<double>(static_cast<const float*>(view.data)[at]);
}

std::vector<double> vector_of(const MatrixView& view, std::size_t size) {
  std::vector<double> values(size, 0.0);
  if (!absent(view)) {
    for (std::size_t i = 0; i < size; ++i) values[i] = element(view, i, 0);
  }
  return values;
}

bool any(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double x) { return x != 0; });
}

std::vector<double> affine(const Context& context, const MatrixView& w, const std::vector<double>& x,
                           const MatrixView& b) {
  std::vector<double> y = vector_of(b, w.rows);
  if (!any(x)) return y;
  context.parallel_for(w.rows, [&](std::size_t i) {
    double sum = 0;
    for (std::size_t j = 0; j < w.columns; ++j) sum += element(w, i, j) * x[j];
    y[i] += sum;
  });
  return y;
}

template <class T>
void add_product(const Matrix<T>& matrix, const double* x, double factor, double* y) {
  for (std::size_t i = 0; i < matrix.rows; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < matrix.columns; ++j) sum += static_cast<double>(matrix.row(i)[j]) * x[j];
    y[i] += factor * sum;
  }
}

template <class T>
Matrix<T> product(const Context& context, const MatrixView& a, const MatrixView& b) {
  Matrix<T> c(a.rows, b.columns);
  gemm<T>(context, a, b, c.data(), static_cast<std::ptrdiff_t>(c.columns));
  return c;
}

template <class T>
Stages<T> stages_of(const Context& context, const std::vector<LayerView>& layers, const WhitenedLaw& law,
                    std::size_t inputs) {
  Stages<T> chain;
  chain.front.offset = vector_of(law.mean, inputs);
  chain.outputs = inputs;
  // Until the first layer the front is C itself, which is not stored when it is a multiple of the identity.
  bool whole = false;
  for (const LayerView& layer : layers) {
    context.control.throw_if_aborted();
    if (layer.type != LayerType::kLinear) {
      chain.stages.emplace_back();
      chain.stages.back().block = layer;
      chain.outputs = layer.outputs();
    } else if (chain.stages.empty()) {
      chain.front.offset = affine(context, layer.weight, chain.front.offset, layer.bias);
      chain.front.matrix = whole                ? product<T>(context, layer.weight, chain.front.matrix.view())
                           : absent(law.factor) ? Matrix<T>::copy(layer.weight, law.sigma)
                                                : product<T>(context, layer.weight, law.factor);
      whole = true;
      chain.outputs = layer.weight.rows;
    } else {
      Stage<T>& stage = chain.stages.back();
      if (stage.linear_after) {
        stage.after = product<T>(context, layer.weight, stage.after.view());
        stage.after_bias = affine(context, layer.weight, stage.after_bias, layer.bias);
      } else {
        stage.linear_after = true;
        stage.after = Matrix<T>::copy(layer.weight);
        stage.after_bias = vector_of(layer.bias, layer.weight.rows);
      }
      chain.outputs = layer.weight.rows;
    }
  }
  if (!whole) {
    chain.front.matrix = absent(law.factor) ? scaled_identity<T>(inputs, law.sigma) : Matrix<T>::copy(law.factor);
  }
  return chain;
}

#define TENSIM_INSTANTIATE(T)                                                          \
  template void add_product<T>(const Matrix<T>&, const double*, double, double*);      \
  template Matrix<T> product<T>(const Context&, const MatrixView&, const MatrixView&); \
  template Stages<T> stages_of<T>(const Context&, const std::vector<LayerView>&, const WhitenedLaw&, std::size_t);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
