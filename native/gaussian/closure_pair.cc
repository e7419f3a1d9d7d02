#include <algorithm>

#include "../gemm/gemm.h"
#include "closure.h"

namespace tensim {
namespace {

std::ptrdiff_t stride_of(std::size_t columns) {
  return static_cast<std::ptrdiff_t>(columns);
}

// One block of Cov(out, out') for a pair of positions, added to what lies there.
template <class T>
void add_bilinear(const Context& context, const BilinearBlock<T>& a, const BilinearBlock<T>& b, std::size_t s,
                  std::size_t t, const MatrixView& covariance, T* out, std::ptrdiff_t stride) {
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
        kernels.axpy(half.columns, static_cast<T>(b.beta), half.row(i), out + static_cast<std::ptrdiff_t>(i) * stride,
                     true);
      }
    }
  };
  add_down(a.has_down ? product<T>(context, a.down.view(), squares.view()) : Matrix<T>::copy(squares.view(), a.beta));
  if (a.jacobians.empty() || b.jacobians.empty() || a.jacobian(s).empty() || b.jacobian(t).empty()) return;
  const Matrix<T> half = product<T>(context, a.jacobian(s).view(), covariance);
  gemm<T>(context, half.view(), b.jacobian(t).view().transposed(), out, stride, 1, true);
}

template <class T>
Joint<T> bilinear_pair(const Context& context, const BilinearBlock<T>& a, const BilinearBlock<T>& b,
                       const Joint<T>& covariance, bool last) {
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
    covariance = apply(
        covariance, w->rows, covariance.columns,
        [&](const MatrixView& block, T* to, std::ptrdiff_t stride) { gemm<T>(context, w->view(), block, to, stride); });
  }
  if (w2 != nullptr) {
    covariance =
        apply(covariance, covariance.rows, w2->rows, [&](const MatrixView& block, T* to, std::ptrdiff_t stride) {
          gemm<T>(context, block, w2->view().transposed(), to, stride);
        });
  }
  return covariance;
}

template <class T>
Joint<T> flipped(const Joint<T>& joint) {
  return {joint.positions, joint.columns, joint.rows, joint.alike, Matrix<T>::copy(joint.values.view().transposed())};
}

// E ∂out_s/∂x_r, and whether it is anything but zero.
template <class T>
bool jacobian(const BilinearBlock<T>& block, std::size_t s, std::size_t r, MatrixView& view) {
  if (s != r || block.jacobians.empty() || block.jacobian(s).empty()) return false;
  view = block.jacobian(s).view();
  return true;
}
template <class T>
bool jacobian(const AttentionBlock<T>& block, std::size_t s, std::size_t r, MatrixView& view) {
  view = block.jacobian.block(s * block.outputs, block.outputs, r * block.width, block.width);
  return r < block.visible(s);
}

// One block of Cov(out, x') where the other model waits: the mean Jacobian takes the covariance along. Added to what lies there.
template <class T>
void add_waiting(const Context& context, const ClosureStage<T>& stage, const Joint<T>& covariance, std::size_t s,
                 std::size_t t, T* out, std::ptrdiff_t stride) {
  std::visit(
      [&](const auto& block) {
        for (std::size_t r = 0; r < covariance.positions; ++r) {
          MatrixView slope;
          if (covariance.zero(r, t) || !jacobian(block, s, r, slope)) continue;
          gemm<T>(context, slope, covariance.block(r, t), out, stride, 1, true);
        }
      },
      stage.block);
  const auto* attention = std::get_if<AttentionBlock<T>>(&stage.block);  // whose Jacobian leaves the residual out
  if (attention == nullptr || attention->alpha == 0 || covariance.zero(s, t)) return;
  const MatrixView from = covariance.block(s, t);
  for (std::size_t i = 0; i < from.rows; ++i) {
    const auto row = static_cast<std::ptrdiff_t>(i);
    context.kernels.of<T>().axpy(from.columns, static_cast<T>(attention->alpha),
                                 static_cast<const T*>(from.data) + row * from.row_stride, out + row * stride, true);
  }
}

template <class T>
Joint<T> waiting_pair(const Context& context, const ClosureStage<T>& stage, const Joint<T>& covariance, bool last) {
  const std::size_t n = covariance.positions;
  const std::size_t outputs = std::visit([](const auto& block) { return block.outputs; }, stage.block);
  const bool alike = covariance.alike && std::holds_alternative<BilinearBlock<T>>(stage.block);
  if (last || alike) {
    Joint<T> out{n, outputs, covariance.columns, true, Matrix<T>::zeros(outputs, covariance.columns)};
    for (std::size_t s = 0; s < (last ? n : 1); ++s) {
      add_waiting(context, stage, covariance, s, s, out.values.data(), stride_of(covariance.columns));
    }
    return out;
  }
  Joint<T> out = Joint<T>::dense(n, outputs, covariance.columns);
  out.values.values.clear();
  for (std::size_t s = 0; s < n; ++s) {
    for (std::size_t t = 0; t < n; ++t)
      add_waiting(context, stage, covariance, s, t, out.at(s, t), stride_of(out.values.columns));
  }
  return out;
}

// Covariances behind a block of each, in front of the linear layers; a chain that is at its end waits. With `last` their sum over equal
// positions.
template <class T>
Joint<T> block_pair(const Context& context, const ClosureStage<T>* a, const ClosureStage<T>* b,
                    const Joint<T>& covariance, bool last) {
  if (b == nullptr) return waiting_pair(context, *a, covariance, last);
  if (a == nullptr) return flipped(waiting_pair(context, *b, flipped(covariance), last));
  if (a->block.index() != b->block.index()) {
    throw Error("UNSUPPORTED_LAYER", "a bilinear block stands where the other model has attention");
  }
  if (const auto* attention = std::get_if<AttentionBlock<T>>(&a->block)) {
    return attention_pair(context, *attention, std::get<AttentionBlock<T>>(b->block), covariance, last);
  }
  return bilinear_pair(context, std::get<BilinearBlock<T>>(a->block), std::get<BilinearBlock<T>>(b->block), covariance,
                       last);
}

template <class T>
const Matrix<T>* linear_after(const ClosureStage<T>* stage) {
  return stage != nullptr && stage->linear_after ? &stage->after : nullptr;
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
Joint<T> advance(const Context& context, const ClosureStage<T>* a, const ClosureStage<T>* b,
                 const Joint<T>& covariance) {
  return through_linear(context, linear_after(a), linear_after(b), block_pair(context, a, b, covariance, false));
}

template <class T>
std::vector<double> closure_pair(const Context& context, const ClosureModel<T>& a, const ClosureModel<T>& b) {
  const std::size_t depth = std::max(a.stages.size(), b.stages.size());
  if (depth == 0) {
    std::vector<double> result(a.outputs);
    for (std::size_t c = 0; c < a.outputs; ++c) {
      const double mean = a.means.at(0)[c] * b.means.at(0)[c];
      result[c] = static_cast<double>(a.positions) *
                  (context.kernels.of<T>().dot(a.inputs, a.front.row(c), b.front.row(c)) + mean);
    }
    return result;
  }
  Joint<T> covariance{a.positions, a.front.rows, b.front.rows, true,
                      product<T>(context, a.front.view(), b.front.view().transposed())};
  const auto stage = [](const ClosureModel<T>& model, std::size_t i) {
    return i < model.stages.size() ? &model.stages[i] : nullptr;
  };
  for (std::size_t i = 0; i + 1 < depth; ++i) covariance = advance(context, stage(a, i), stage(b, i), covariance);
  const ClosureStage<T>*ours = stage(a, depth - 1), *theirs = stage(b, depth - 1);
  covariance = block_pair(context, ours, theirs, covariance, true);
  return slices(context, covariance.values, linear_after(ours), linear_after(theirs), a, b);
}

template <class T>
std::uint64_t closure_flops(const ClosureModel<T>& a, const ClosureModel<T>& b) {
  std::uint64_t sum = 2 * a.front.rows * b.front.rows * a.inputs;
  bool alike = true;
  const std::uint64_t n = a.positions;
  for (std::size_t i = 0; i < std::min(a.stages.size(), b.stages.size()); ++i) {
    const ClosureStage<T>&x = a.stages[i], &y = b.stages[i];
    const bool last = i + 1 == a.stages.size();
    const auto *attention = std::get_if<AttentionBlock<T>>(&x.block),
               *attention2 = std::get_if<AttentionBlock<T>>(&y.block);
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

#define TENSIM_INSTANTIATE(T)                                                                                    \
  template Joint<T> advance<T>(const Context&, const ClosureStage<T>*, const ClosureStage<T>*, const Joint<T>&); \
  template std::vector<double> closure_pair<T>(const Context&, const ClosureModel<T>&, const ClosureModel<T>&);  \
  template std::uint64_t closure_flops<T>(const ClosureModel<T>&, const ClosureModel<T>&);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
