#include "closure.h"

#include <algorithm>

#include "../gemm/gemm.h"

namespace tensim {
namespace {

std::ptrdiff_t stride_of(std::size_t columns) {
  return static_cast<std::ptrdiff_t>(columns);
}

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
BilinearBlock<T> prepare_bilinear(const Context& context, const LayerView& layer, const Joint<T>& covariance, Means& means) {
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
  const bool none = std::all_of(block.jacobians.begin(), block.jacobians.end(), [](const auto& j) { return j.empty(); });
  if (none) block.jacobians.clear();
  means = std::move(out);
  return block;
}

// One block of Cov(out, out') for a pair of positions, added to what lies there.
template <class T>
void add_bilinear(const Context& context, const BilinearBlock<T>& a, const BilinearBlock<T>& b, std::size_t s, std::size_t t,
                  const MatrixView& covariance, T* out, std::ptrdiff_t stride) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const std::size_t h = a.units, h2 = b.units;
  const Matrix<T> moved = product<T>(context, a.factors.view(), covariance);
  const Matrix<T> products = product<T>(context, moved.view(), b.factors.view().transposed());
  Matrix<T> squares(h, h2);
  constexpr std::size_t kRows = 16;
  context.parallel_for((h + kRows - 1) / kRows, [&](std::size_t task) {
    for (std::size_t i = task * kRows; i < std::min(h, (task + 1) * kRows); ++i) {
      const T *u = products.row(i), *v = products.row(h + i);
      kernels.multiply(h2, T(1), u, T(1), v + h2, squares.row(i), false);
      kernels.multiply(h2, T(1), u + h2, T(1), v, squares.row(i), true);
    }
  });
  const auto add_down = [&](const Matrix<T>& half) {
    if (b.has_down) {
      gemm<T>(context, half.view(), b.down.view().transposed(), out, stride, 1, true);
    } else {
      for (std::size_t i = 0; i < half.rows; ++i) {
        kernels.axpy(half.columns, static_cast<T>(b.beta), half.row(i), out + static_cast<std::ptrdiff_t>(i) * stride, true);
      }
    }
  };
  add_down(a.has_down ? product<T>(context, a.down.view(), squares.view()) : Matrix<T>::copy(squares.view(), a.beta));
  if (a.jacobians.empty() || b.jacobians.empty() || a.jacobian(s).empty() || b.jacobian(t).empty()) return;
  const Matrix<T> half = product<T>(context, a.jacobian(s).view(), covariance);
  gemm<T>(context, half.view(), b.jacobian(t).view().transposed(), out, stride, 1, true);
}

template <class T>
Joint<T> bilinear_pair(const Context& context, const BilinearBlock<T>& a, const BilinearBlock<T>& b, const Joint<T>& covariance,
                       bool last) {
  const std::size_t n = covariance.positions;
  if (covariance.alike || last) {
    Joint<T> out{n, a.outputs, b.outputs, true, Matrix<T>::zeros(a.outputs, b.outputs)};
    for (std::size_t s = 0; s < (covariance.alike ? 1 : n); ++s) {
      add_bilinear(context, a, b, s, s, covariance.block(s, s), out.values.data(), stride_of(b.outputs));
    }
    if (covariance.alike && last) {  // the sum over positions
      for (std::size_t i = 0; i < out.values.values.size(); ++i) out.values.data()[i] *= static_cast<T>(n);
    }
    return out;
  }
  Joint<T> out = Joint<T>::dense(n, a.outputs, b.outputs);
  out.values.values.clear();
  for (std::size_t s = 0; s < n; ++s) {
    for (std::size_t t = 0; t < n; ++t) {
      add_bilinear(context, a, b, s, t, covariance.block(s, t), out.at(s, t), stride_of(out.values.columns));
    }
  }
  return out;
}

// W C and C W'ᵀ, for either matrix or both.
template <class T>
Joint<T> through_linear(const Context& context, const Matrix<T>* w, const Matrix<T>* w2, Joint<T> covariance) {
  const auto apply = [&](const Joint<T>& from, std::size_t rows, std::size_t columns, const auto& multiply) {
    Joint<T> to = from.alike ? Joint<T>{from.positions, rows, columns, true, Matrix<T>(rows, columns)}
                             : Joint<T>::dense(from.positions, rows, columns);
    const std::size_t n = from.alike ? 1 : from.positions;
    for (std::size_t s = 0; s < n; ++s) {
      for (std::size_t t = 0; t < n; ++t) multiply(from.block(s, t), to.at(s, t), stride_of(to.values.columns));
    }
    return to;
  };
  if (w != nullptr) {
    covariance = apply(covariance, w->rows, covariance.columns, [&](const MatrixView& block, T* to, std::ptrdiff_t stride) {
      gemm<T>(context, w->view(), block, to, stride);
    });
  }
  if (w2 != nullptr) {
    covariance = apply(covariance, covariance.rows, w2->rows, [&](const MatrixView& block, T* to, std::ptrdiff_t stride) {
      gemm<T>(context, block, w2->view().transposed(), to, stride);
    });
  }
  return covariance;
}

template <class T>
Joint<T> block_pair(const Context& context, const ClosureStage<T>& a, const ClosureStage<T>& b, const Joint<T>& covariance,
                    bool last) {
  if (a.block.index() != b.block.index()) {
    throw Error("UNSUPPORTED_LAYER", "the closure compares blocks of the same kind: one model has attention where the other has none");
  }
  if (const auto* attention = std::get_if<AttentionBlock<T>>(&a.block)) {
    return attention_pair(context, *attention, std::get<AttentionBlock<T>>(b.block), covariance, last);
  }
  return bilinear_pair(context, std::get<BilinearBlock<T>>(a.block), std::get<BilinearBlock<T>>(b.block), covariance, last);
}

// ⟨f_c, g_c⟩ from the covariance summed over equal positions, before the last linear layers, and the means.
template <class T>
std::vector<double> slices(const Context& context, const Matrix<T>& sum, const Matrix<T>* w, const Matrix<T>* w2,
                           const ClosureModel<T>& a, const ClosureModel<T>& b) {
  std::vector<double> result(a.outputs);
  Matrix<T> half;
  if (w != nullptr) half = product<T>(context, w->view(), sum.view());
  const Matrix<T>& rows = w != nullptr ? half : sum;
  for (std::size_t c = 0; c < a.outputs; ++c) {
    result[c] = w2 != nullptr ? context.kernels.of<T>().dot(rows.columns, rows.row(c), w2->row(c))
                              : static_cast<double>(rows.row(c)[c]);
    for (std::size_t s = 0; s < a.positions; ++s) result[c] += a.means.at(s)[c] * b.means.at(s)[c];
  }
  return result;
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
ClosureModel<T> prepare_closure(const Context& context, const std::vector<LayerView>& layers, const WhitenedLaw& law,
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
    const ClosureStage<T>& now = model.stages.back();
    const bool last = i + 1 == chain.stages.size();
    const Matrix<T>* w = now.linear_after ? &now.after : nullptr;
    covariance = block_pair(context, now, now, covariance, last);
    if (last) {
      model.self = slices(context, covariance.values, w, w, model, model);
    } else {
      covariance = through_linear(context, w, w, std::move(covariance));
    }
  }
  if (chain.stages.empty()) model.self = closure_pair(context, model, model);
  return model;
}

template <class T>
std::vector<double> closure_pair(const Context& context, const ClosureModel<T>& a, const ClosureModel<T>& b) {
  if (a.stages.size() != b.stages.size()) {
    throw Error("UNSUPPORTED_LAYER", "the closure compares models with the same number of blocks");
  }
  if (a.stages.empty()) {
    std::vector<double> result(a.outputs);
    for (std::size_t c = 0; c < a.outputs; ++c) {
      const double mean = a.means.at(0)[c] * b.means.at(0)[c];
      result[c] = static_cast<double>(a.positions) * (context.kernels.of<T>().dot(a.inputs, a.front.row(c), b.front.row(c)) + mean);
    }
    return result;
  }
  Joint<T> covariance{a.positions, a.front.rows, b.front.rows, true,
                      product<T>(context, a.front.view(), b.front.view().transposed())};
  for (std::size_t i = 0;; ++i) {
    const ClosureStage<T>&ours = a.stages[i], &theirs = b.stages[i];
    const bool last = i + 1 == a.stages.size();
    const Matrix<T>*w = ours.linear_after ? &ours.after : nullptr, *w2 = theirs.linear_after ? &theirs.after : nullptr;
    covariance = block_pair(context, ours, theirs, covariance, last);
    if (last) return slices(context, covariance.values, w, w2, a, b);
    covariance = through_linear(context, w, w2, std::move(covariance));
  }
}

template <class T>
std::uint64_t closure_flops(const ClosureModel<T>& a, const ClosureModel<T>& b) {
  std::uint64_t sum = 2 * a.front.rows * b.front.rows * a.inputs;
  bool alike = true;
  const std::uint64_t n = a.positions;
  for (std::size_t i = 0; i < std::min(a.stages.size(), b.stages.size()); ++i) {
    const ClosureStage<T>&x = a.stages[i], &y = b.stages[i];
    const bool last = i + 1 == a.stages.size();
    const auto *attention = std::get_if<AttentionBlock<T>>(&x.block), *attention2 = std::get_if<AttentionBlock<T>>(&y.block);
    if (attention != nullptr && attention2 != nullptr) {
      sum += attention_flops(*attention, *attention2, alike, last);
      alike = false;
    } else if (attention == nullptr && attention2 == nullptr) {
      const auto &f = std::get<BilinearBlock<T>>(x.block), &g = std::get<BilinearBlock<T>>(y.block);
      const std::uint64_t each = 4 * f.units * g.width * (f.width + 2 * g.units) +
                                 2 * f.outputs * g.units * (f.units + g.outputs) +
                                 2 * f.outputs * g.width * (f.width + g.outputs);
      sum += each * (alike ? 1 : last ? n : n * n);
    }
    sum += 2 * x.after.values.size() * y.after.columns * (last || alike ? 1 : n * n);
  }
  return sum;
}

#define TENSIM_INSTANTIATE(T)                                                                                           \
  template struct BilinearBlock<T>;                                                                                     \
  template struct ClosureModel<T>;                                                                                      \
  template ClosureModel<T> prepare_closure<T>(const Context&, const std::vector<LayerView>&, const WhitenedLaw&,        \
                                              std::size_t, std::size_t);                                                \
  template std::vector<double> closure_pair<T>(const Context&, const ClosureModel<T>&, const ClosureModel<T>&);         \
  template std::uint64_t closure_flops<T>(const ClosureModel<T>&, const ClosureModel<T>&);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
