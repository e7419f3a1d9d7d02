#include "closure.h"

#include <algorithm>

#include "../gemm/gemm.h"

namespace tensim {
namespace {

// u and v of one position, and from them the block's mean and Jacobian.
template <class T>
void differentiate(const Context& context, const LayerView& layer, const MatrixView& covariance, const double* mean,
                   BilinearBlock<T>& block, std::vector<double>& out) {
  const std::size_t h = block.units;
  std::vector<double> u = vector_of(layer.left_bias, h), v = vector_of(layer.right_bias, h);
  for (std::size_t i = 0; i < h; ++i) {
    for (std::size_t j = 0; j < block.width; ++j) {
      u[i] += static_cast<double>(block.factors.row(i)[j]) * mean[j];
      v[i] += static_cast<double>(block.factors.row(h + i)[j]) * mean[j];
    }
  }
  const Matrix<T> moved = product<T>(context, block.factors.block(0, h, 0, block.width), covariance);
  std::vector<double> y(h);
  for (std::size_t i = 0; i < h; ++i) {
    y[i] = u[i] * v[i] + context.kernels.of<T>().dot(block.width, moved.row(i), block.factors.row(h + i));
  }
  out = vector_of(layer.down_bias, block.outputs);
  for (double& x : out) x *= layer.beta;
  if (block.has_down) {
    add_product(block.down, y.data(), 1, out.data());
  } else {
    for (std::size_t i = 0; i < h; ++i) out[i] += layer.beta * y[i];
  }
  for (std::size_t i = 0; layer.alpha != 0 && i < block.outputs; ++i) out[i] += layer.alpha * mean[i];

  const bool still = !any(u) && !any(v);
  if (still && layer.alpha == 0) return block.jacobians.emplace_back(), void();
  Matrix<T> slopes = Matrix<T>::zeros(h, block.width);
  for (std::size_t i = 0; !still && i < h; ++i) {
    context.kernels.of<T>().axpy(block.width, static_cast<T>(v[i]), block.factors.row(i), slopes.row(i), false);
    context.kernels.of<T>().axpy(block.width, static_cast<T>(u[i]), block.factors.row(h + i), slopes.row(i), true);
  }
  Matrix<T> jacobian;
  if (block.has_down) {
    jacobian = product<T>(context, block.down.view(), slopes.view());
  } else {
    jacobian = Matrix<T>::copy(slopes.view(), layer.beta);
  }
  for (std::size_t i = 0; layer.alpha != 0 && i < block.outputs; ++i) jacobian.row(i)[i] += static_cast<T>(layer.alpha);
  block.jacobians.push_back(std::move(jacobian));
}

template <class T>
BilinearBlock<T> prepare_bilinear(const Context& context, const LayerView& layer, const Joint<T>& covariance,
                                  Means& means) {
  BilinearBlock<T> block;
  block.width = layer.left.columns;
  block.units = layer.left.rows;
  block.has_down = !absent(layer.down);
  block.beta = layer.beta;
  block.outputs = block.has_down ? layer.down.rows : block.units;
  block.factors = Matrix<T>(2 * block.units, block.width);
  const Matrix<T> left = Matrix<T>::copy(layer.left), right = Matrix<T>::copy(layer.right);
  std::copy_n(left.data(), left.values.size(), block.factors.data());
  std::copy_n(right.data(), right.values.size(), block.factors.data() + left.values.size());
  if (block.has_down) block.down = Matrix<T>::copy(layer.down, layer.beta);

  const bool alike = covariance.alike && means.alike;
  Means out{alike, block.outputs, {}};
  for (std::size_t s = 0; s < (alike ? 1 : covariance.positions); ++s) {
    std::vector<double> y;
    differentiate(context, layer, covariance.block(s, s), means.at(s), block, y);
    out.values.insert(out.values.end(), y.begin(), y.end());
  }
  const bool none =
      std::all_of(block.jacobians.begin(), block.jacobians.end(), [](const auto& j) { return j.empty(); });
  if (none) block.jacobians.clear();
  means = std::move(out);
  return block;
}

}  // namespace

template <class T>
std::size_t BilinearBlock<T>::bytes() const {
  std::size_t sum = factors.bytes() + down.bytes();
  for (const Matrix<T>& jacobian : jacobians) sum += jacobian.bytes();
  return sum;
}

template <class T>
std::size_t ClosureModel<T>::bytes() const {
  std::size_t sum = front.bytes() + (means.values.size() + self.size()) * sizeof(double);
  for (const ClosureStage<T>& stage : stages) {
    sum += stage.after.bytes() + std::visit([](const auto& block) { return block.bytes(); }, stage.block);
  }
  return sum;
}

template <class T>
ClosureModel<T> fold_closure(const Context& context, const std::vector<LayerView>& layers, const WhitenedLaw& law,
                             std::size_t inputs, std::size_t positions) {
  Stages<T> chain = stages_of<T>(context, layers, law, inputs);
  ClosureModel<T> model;
  model.positions = positions;
  model.outputs = chain.outputs;
  model.front = std::move(chain.front.matrix);
  model.inputs = model.front.columns;
  model.means = {true, model.front.rows, std::move(chain.front.offset)};

  Joint<T> covariance{positions, model.front.rows, model.front.rows, true,
                      product<T>(context, model.front.view(), model.front.view().transposed())};
  for (std::size_t i = 0; i < chain.stages.size(); ++i) {
    Stage<T>& stage = chain.stages[i];
    ClosureStage<T> ready;
    if (stage.block.type == LayerType::kAttention) {
      ready.block = prepare_attention(context, stage.block, positions, covariance, model.means);
    } else {
      ready.block = prepare_bilinear(context, stage.block, covariance, model.means);
    }
    ready.linear_after = stage.linear_after;
    ready.after = std::move(stage.after);
    if (ready.linear_after) {
      Means out{model.means.alike, ready.after.rows, {}};
      for (std::size_t s = 0; s < (out.alike ? 1 : positions); ++s) {
        std::vector<double> y = stage.after_bias;
        add_product(ready.after, model.means.at(s), 1, y.data());
        out.values.insert(out.values.end(), y.begin(), y.end());
      }
      model.means = std::move(out);
    }
    model.stages.push_back(std::move(ready));
    if (i + 1 < chain.stages.size())
      covariance = advance(context, &model.stages.back(), &model.stages.back(), covariance);
  }
  return model;
}

template <class T>
ClosureModel<T> prepare_closure(const Context& context, const std::vector<LayerView>& layers, const WhitenedLaw& law,
                                std::size_t inputs, std::size_t positions) {
  ClosureModel<T> model = fold_closure<T>(context, layers, law, inputs, positions);
  model.self = closure_pair(context, model, model);
  return model;
}

#define TENSIM_INSTANTIATE(T)                                                                                    \
  template struct BilinearBlock<T>;                                                                              \
  template struct ClosureModel<T>;                                                                               \
  template ClosureModel<T> fold_closure<T>(const Context&, const std::vector<LayerView>&, const WhitenedLaw&,    \
                                           std::size_t, std::size_t);                                            \
  template ClosureModel<T> prepare_closure<T>(const Context&, const std::vector<LayerView>&, const WhitenedLaw&, \
                                              std::size_t, std::size_t);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
