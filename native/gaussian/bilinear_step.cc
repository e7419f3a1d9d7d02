#include "bilinear_step.h"

#include <algorithm>

#include "../gemm/gemm.h"

namespace tensim {
namespace {

std::ptrdiff_t stride_of(std::size_t columns) {
  return static_cast<std::ptrdiff_t>(columns);
}

// u and v of one position, and from them the block's mean and Jacobian.
template <class T>
void differentiate(const Context& context, const BilinearView& layer, const MatrixView& covariance, const double* mean,
                   BilinearBlock<T>& block, std::vector<double>& out) {
  const std::size_t h = block.units;
  std::vector<double> u = vector_of(layer.left_bias, h), v = vector_of(layer.right_bias, h);
  for (std::size_t i = 0; i < h; ++i) {
    for (std::size_t j = 0; j < block.width; ++j) {
      u[i] += static_cast<double>(block.factors.row(i)[j]) * mean[j];
      v[i] += static_cast<double>(block.factors.row(h + i)[j]) * mean[j];
    }
  }
  const Matrix<T> moved = multiply<T>(context, block.factors.block(0, h, 0, block.width), covariance);
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
    jacobian = multiply<T>(context, block.down.view(), slopes.view());
  } else {
    jacobian = Matrix<T>::copy(slopes.view(), layer.beta);
  }
  for (std::size_t i = 0; layer.alpha != 0 && i < block.outputs; ++i) jacobian.row(i)[i] += static_cast<T>(layer.alpha);
  block.jacobians.push_back(std::move(jacobian));
}

// One block of Cov(out, out') for a pair of positions, added to what lies there.
template <class T>
void add_bilinear(const Context& context, const BilinearBlock<T>& a, const BilinearBlock<T>& b, std::size_t s,
                  std::size_t t, const MatrixView& covariance, T* out, std::ptrdiff_t stride) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const std::size_t h = a.units, h2 = b.units;
  const Matrix<T> moved = multiply<T>(context, a.factors.view(), covariance);
  const Matrix<T> products = multiply<T>(context, moved.view(), b.factors.view().transpose());
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
      gemm<T>(context, half.view(), b.down.view().transpose(), out, stride, 1, true);
    } else {
      for (std::size_t i = 0; i < half.rows; ++i) {
        kernels.axpy(half.columns, static_cast<T>(b.beta), half.row(i), out + static_cast<std::ptrdiff_t>(i) * stride,
                     true);
      }
    }
  };
  add_down(a.has_down ? multiply<T>(context, a.down.view(), squares.view()) : Matrix<T>::copy(squares.view(), a.beta));
  if (a.jacobians.empty() || b.jacobians.empty() || a.jacobian(s).empty() || b.jacobian(t).empty()) return;
  const Matrix<T> half = multiply<T>(context, a.jacobian(s).view(), covariance);
  gemm<T>(context, half.view(), b.jacobian(t).view().transpose(), out, stride, 1, true);
}

}  // namespace

template <class T>
bool BilinearBlock<T>::slope(std::size_t s, std::size_t r, MatrixView& view) const {
  if (s != r || jacobians.empty() || jacobian(s).empty()) return false;
  view = jacobian(s).view();
  return true;
}

template <class T>
std::size_t BilinearBlock<T>::bytes() const {
  std::size_t sum = factors.bytes() + down.bytes();
  for (const Matrix<T>& jacobian : jacobians) sum += jacobian.bytes();
  return sum;
}

template <class T>
BilinearBlock<T> prepare_bilinear(const Context& context, const BilinearView& layer, const Covariance<T>& covariance,
                                  Means& means) {
  BilinearBlock<T> block;
  block.width = layer.width();
  block.units = layer.units();
  block.outputs = layer.outputs();
  block.has_down = !absent(layer.down);
  block.beta = layer.beta;
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

template <class T>
Covariance<T> bilinear_pair(const Context& context, const BilinearBlock<T>& a, const BilinearBlock<T>& b,
                            const Covariance<T>& covariance, bool last) {
  const std::size_t n = covariance.positions;
  if (covariance.alike || last) {
    Covariance<T> out{n, a.outputs, b.outputs, true, Matrix<T>::zeros(a.outputs, b.outputs)};
    for (std::size_t s = 0; s < (covariance.alike ? 1 : n); ++s) {
      add_bilinear(context, a, b, s, s, covariance.block(s, s), out.values.data(), stride_of(b.outputs));
    }
    if (covariance.alike && last) {  // the sum over positions
      for (std::size_t i = 0; i < out.values.values.size(); ++i) out.values.data()[i] *= static_cast<T>(n);
    }
    return out;
  }
  Covariance<T> out = Covariance<T>::dense(n, a.outputs, b.outputs);
  out.values.values.clear();
  for (std::size_t s = 0; s < n; ++s) {
    for (std::size_t t = 0; t < n; ++t) {
      add_bilinear(context, a, b, s, t, covariance.block(s, t), out.at(s, t), stride_of(out.values.columns));
    }
  }
  return out;
}

template <class T>
std::uint64_t bilinear_flops(const BilinearBlock<T>& a, const BilinearBlock<T>& b, std::size_t positions, bool alike,
                             bool last) {
  const std::uint64_t each = 4 * a.units * b.width * (a.width + 2 * b.units) +
                             2 * a.outputs * b.units * (a.units + b.outputs) +
                             2 * a.outputs * b.width * (a.width + b.outputs);
  return each * (alike ? 1 : last ? positions : positions * positions);
}

#define TENSIM_INSTANTIATE(T)                                                                                       \
  template struct BilinearBlock<T>;                                                                                 \
  template BilinearBlock<T> prepare_bilinear<T>(const Context&, const BilinearView&, const Covariance<T>&, Means&); \
  template Covariance<T> bilinear_pair<T>(const Context&, const BilinearBlock<T>&, const BilinearBlock<T>&,         \
                                          const Covariance<T>&, bool);                                              \
  template std::uint64_t bilinear_flops<T>(const BilinearBlock<T>&, const BilinearBlock<T>&, std::size_t, bool, bool);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
