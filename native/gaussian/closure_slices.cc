#include <algorithm>
#include <type_traits>

#include "../gemm/gemm.h"
#include "attention.h"
#include "closure.h"

namespace tensim {
namespace {

std::ptrdiff_t stride_of(std::size_t columns) {
  return static_cast<std::ptrdiff_t>(columns);
}

// W C and C W'ᵀ, for either matrix or both.
template <class T>
Covariance<T> through_linear(const Context& context, const Matrix<T>* w, const Matrix<T>* w2,
                             Covariance<T> covariance) {
  const auto apply = [&](const Covariance<T>& from, std::size_t rows, std::size_t columns, const auto& through) {
    Covariance<T> to = from.alike ? Covariance<T>{from.positions, rows, columns, true, Matrix<T>(rows, columns)}
                                  : Covariance<T>::dense(from.positions, rows, columns);
    const std::size_t n = from.alike ? 1 : from.positions;
    for (std::size_t s = 0; s < n; ++s) {
      for (std::size_t t = 0; t < n; ++t) through(from.block(s, t), to.at(s, t), stride_of(to.values.columns));
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
          gemm<T>(context, block, w2->view().transpose(), to, stride);
        });
  }
  return covariance;
}

// One block of Cov(out, x') where the other model waits: the mean Jacobian takes the covariance along. Added to what
// lies there.
template <class T>
void add_waiting(const Context& context, const ClosureStage<T>& stage, const Covariance<T>& covariance, std::size_t s,
                 std::size_t t, T* out, std::ptrdiff_t stride) {
  double residual = 0;
  std::visit(
      [&](const auto& block) {
        residual = block.residual();
        for (std::size_t r = 0; r < covariance.positions; ++r) {
          MatrixView slope;
          if (covariance.zero(r, t) || !block.slope(s, r, slope)) continue;
          gemm<T>(context, slope, covariance.block(r, t), out, stride, 1, true);
        }
      },
      stage.block);
  if (residual == 0 || covariance.zero(s, t)) return;
  const MatrixView from = covariance.block(s, t);
  for (std::size_t i = 0; i < from.rows; ++i) {
    const auto row = static_cast<std::ptrdiff_t>(i);
    context.kernels.of<T>().axpy(from.columns, static_cast<T>(residual),
                                 static_cast<const T*>(from.data) + row * from.row_stride, out + row * stride, true);
  }
}

template <class T>
Covariance<T> waiting_pair(const Context& context, const ClosureStage<T>& stage, const Covariance<T>& covariance,
                           bool last) {
  const std::size_t n = covariance.positions;
  const std::size_t outputs = std::visit([](const auto& block) { return block.outputs; }, stage.block);
  const bool mixes = std::visit([](const auto& block) { return block.kMixesPositions; }, stage.block);
  const bool alike = covariance.alike && !mixes;
  if (last || alike) {
    Covariance<T> out{n, outputs, covariance.columns, true, Matrix<T>::zeros(outputs, covariance.columns)};
    for (std::size_t s = 0; s < (last ? n : 1); ++s) {
      add_waiting(context, stage, covariance, s, s, out.values.data(), stride_of(covariance.columns));
    }
    return out;
  }
  Covariance<T> out = Covariance<T>::dense(n, outputs, covariance.columns);
  out.values.values.clear();
  for (std::size_t s = 0; s < n; ++s) {
    for (std::size_t t = 0; t < n; ++t)
      add_waiting(context, stage, covariance, s, t, out.at(s, t), stride_of(out.values.columns));
  }
  return out;
}

// Covariances behind a block of each, in front of the linear layers; a chain that is at its end waits. With `last`
// their sum over equal positions.
template <class T>
Covariance<T> block_pair(const Context& context, const ClosureStage<T>* a, const ClosureStage<T>* b,
                         const Covariance<T>& covariance, bool last) {
  if (b == nullptr) return waiting_pair(context, *a, covariance, last);
  if (a == nullptr) return transposed(waiting_pair(context, *b, transposed(covariance), last));
  const Overload step{
      [&](const BilinearBlock<T>& x, const BilinearBlock<T>& y) {
        return bilinear_pair(context, x, y, covariance, last);
      },
      [&](const AttentionBlock<T>& x, const AttentionBlock<T>& y) {
        return attention_pair(context, x, y, covariance, last);
      },
      [](const auto& x, const auto& y) -> Covariance<T> {
        static_assert(!std::is_same_v<decltype(x), decltype(y)>, "two blocks of a kind have a step of their own");
        throw unlike_blocks(x.kType, y.kType);
      },
  };
  return std::visit(step, a->block, b->block);
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
  if (w != nullptr) half = multiply<T>(context, w->view(), sum.view());
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
Covariance<T> advance(const Context& context, const ClosureStage<T>* a, const ClosureStage<T>* b,
                      const Covariance<T>& covariance) {
  return through_linear(context, linear_after(a), linear_after(b), block_pair(context, a, b, covariance, false));
}

template <class T>
std::vector<double> closure_slices(const Context& context, const ClosureModel<T>& a, const ClosureModel<T>& b) {
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
  Covariance<T> covariance = independent(context, a.front, b.front, a.positions);
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
    const Overload flops{
        [&](const BilinearBlock<T>& f, const BilinearBlock<T>& g) { return bilinear_flops(f, g, n, alike, last); },
        [&](const AttentionBlock<T>& f, const AttentionBlock<T>& g) { return attention_flops(f, g, alike, last); },
        [](const auto& f, const auto& g) -> std::uint64_t {
          static_assert(!std::is_same_v<decltype(f), decltype(g)>, "two blocks of a kind have a step of their own");
          return 0;  // they are refused
        },
    };
    sum += std::visit(flops, x.block, y.block);
    const bool mixes = std::visit([](const auto& block) { return block.kMixesPositions; }, x.block);
    if (mixes && x.block.index() == y.block.index()) alike = false;
    sum += 2 * x.after.values.size() * y.after.columns * (last || alike ? 1 : n * n);
  }
  return sum;
}

#define TENSIM_INSTANTIATE(T)                                                                                     \
  template Covariance<T> advance<T>(const Context&, const ClosureStage<T>*, const ClosureStage<T>*,               \
                                    const Covariance<T>&);                                                        \
  template std::vector<double> closure_slices<T>(const Context&, const ClosureModel<T>&, const ClosureModel<T>&); \
  template std::uint64_t closure_flops<T>(const ClosureModel<T>&, const ClosureModel<T>&);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
