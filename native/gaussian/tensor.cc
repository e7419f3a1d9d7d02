#include "tensor.h"

#include <algorithm>

#include "../core/error.h"
#include "../gemm/gemm.h"
#include "stages.h"

namespace tensim {
namespace {

// [[1, 0], [offset, matrix]]
template <class T>
Matrix<T> padded(const Matrix<T>& matrix, const std::vector<double>& offset) {
  Matrix<T> result = Matrix<T>::zeros(matrix.rows + 1, matrix.columns + 1);
  result.row(0)[0] = T(1);
  for (std::size_t i = 0; i < matrix.rows; ++i) {
    result.row(i + 1)[0] = static_cast<T>(offset[i]);
    std::copy_n(matrix.row(i), matrix.columns, result.row(i + 1) + 1);
  }
  return result;
}

template <class T>
TensorStage<T> stage_of(const Context& context, const Stage<T>& stage) {
  const auto& block = std::get<BilinearView>(stage.block);
  const std::size_t width = block.width(), units = block.units(), outputs = block.outputs();
  const std::size_t through = block.alpha != 0 ? width : 0;  // rows of the residual
  const std::size_t rows = 1 + units + through;

  // Rows: the constant, the units, the residual as [0, I] against the constant.
  TensorStage<T> result;
  result.factors = Matrix<T>::zeros(2 * rows, 1 + width);
  const auto fill = [&](const MatrixView& side, const MatrixView& bias, std::size_t first) {
    const std::vector<double> offset = vector_of(bias, units);
    result.factors.row(first)[0] = T(1);
    for (std::size_t i = 0; i < units; ++i) {
      T* row = result.factors.row(first + 1 + i);
      row[0] = static_cast<T>(offset[i]);
      for (std::size_t j = 0; j < width; ++j) row[1 + j] = static_cast<T>(element(side, i, j));
    }
  };
  fill(block.left, block.left_bias, 0);
  fill(block.right, block.right_bias, rows);
  for (std::size_t i = 0; i < through; ++i) {
    result.factors.row(1 + units + i)[1 + i] = T(1);
    result.factors.row(rows + 1 + units + i)[0] = T(1);
  }

  result.down = Matrix<T>::zeros(1 + outputs, rows);
  result.down.row(0)[0] = T(1);
  const std::vector<double> offset = vector_of(block.down_bias, outputs);
  for (std::size_t c = 0; c < outputs; ++c) {
    T* row = result.down.row(1 + c);
    row[0] = static_cast<T>(block.beta * offset[c]);
    if (absent(block.down)) {
      row[1 + c] = static_cast<T>(block.beta);
    } else {
      for (std::size_t i = 0; i < units; ++i) row[1 + i] = static_cast<T>(block.beta * element(block.down, c, i));
    }
    if (through > 0) row[1 + units + c] = static_cast<T>(block.alpha);
  }
  if (stage.linear_after) {
    result.down = multiply<T>(context, padded(stage.after, stage.after_bias).view(), result.down.view());
  }
  return result;
}

// ½[(L̃GL̃'ᵀ) ⊙ (R̃GR̃'ᵀ) + (L̃GR̃'ᵀ) ⊙ (R̃GL̃'ᵀ)]
template <class T>
Matrix<T> symmetrised(const Context& context, const TensorStage<T>& a, const TensorStage<T>& b, const Matrix<T>& g) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const Matrix<T> moved = multiply<T>(context, a.factors.view(), g.view());
  const Matrix<T> products = multiply<T>(context, moved.view(), b.factors.view().transpose());
  const std::size_t rows = a.factors.rows / 2, columns = b.factors.rows / 2;
  Matrix<T> result(rows, columns);
  constexpr std::size_t kRows = 16;
  context.parallel_for((rows + kRows - 1) / kRows, [&](std::size_t task) {
    for (std::size_t i = task * kRows; i < std::min(rows, (task + 1) * kRows); ++i) {
      const T *left = products.row(i), *right = products.row(rows + i);
      kernels.multiply(columns, T(0.5), left, T(1), right + columns, result.row(i), false);
      kernels.multiply(columns, T(0.5), left + columns, T(1), right, result.row(i), true);
    }
  });
  return result;
}

}  // namespace

template <class T>
std::size_t TensorModel<T>::bytes() const {
  std::size_t sum = front.bytes() + self.size() * sizeof(double);
  for (const TensorStage<T>& stage : stages) sum += stage.factors.bytes() + stage.down.bytes();
  return sum;
}

template <class T>
TensorModel<T> fold_tensor(const Context& context, const ChainView& view) {
  require_bilinear(view, "the tensor measure is not defined for");
  const Stages<T> chain = stages_of<T>(context, view);
  TensorModel<T> model;
  model.positions = view.positions;
  model.outputs = chain.outputs;
  model.inputs = chain.front.matrix.columns;
  model.front = padded(chain.front.matrix, chain.front.offset);
  for (const Stage<T>& stage : chain.stages) model.stages.push_back(stage_of(context, stage));
  return model;
}

template <class T>
TensorModel<T> prepare_tensor(const Context& context, const ChainView& view) {
  TensorModel<T> model = fold_tensor<T>(context, view);
  model.self = tensor_slices(context, model, model);
  return model;
}

Error unlike_degrees() {
  return Error("SHAPE_MISMATCH",
               "the tensor measure compares chains of the same degree only: they differ in their number of blocks");
}

template <class T>
std::vector<double> tensor_slices(const Context& context, const TensorModel<T>& a, const TensorModel<T>& b) {
  if (a.stages.size() != b.stages.size()) throw unlike_degrees();
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const auto positions = static_cast<double>(a.positions);
  std::vector<double> result(a.outputs);
  // The last product is needed on its diagonal only, without the constant.
  const auto diagonal = [&](const Matrix<T>& left, const Matrix<T>& right) {
    for (std::size_t c = 0; c < a.outputs; ++c) {
      result[c] = positions * kernels.dot(left.columns, left.row(1 + c), right.row(1 + c));
    }
    return result;
  };
  if (a.stages.empty()) return diagonal(a.front, b.front);
  Matrix<T> g = multiply<T>(context, a.front.view(), b.front.view().transpose());
  for (std::size_t i = 0;; ++i) {
    const Matrix<T> legs = symmetrised(context, a.stages[i], b.stages[i], g);
    const Matrix<T> half = multiply<T>(context, a.stages[i].down.view(), legs.view());
    if (i + 1 == a.stages.size()) return diagonal(half, b.stages[i].down);
    g = multiply<T>(context, half.view(), b.stages[i].down.view().transpose());
  }
}

template <class T>
std::uint64_t tensor_flops(const TensorModel<T>& a, const TensorModel<T>& b) {
  std::uint64_t sum = 2 * a.front.rows * b.front.rows * a.front.columns;
  for (std::size_t i = 0; i < std::min(a.stages.size(), b.stages.size()); ++i) {
    const Matrix<T>&f = a.stages[i].factors, &f2 = b.stages[i].factors, &d = a.stages[i].down, &d2 = b.stages[i].down;
    sum += 2 * f.rows * f2.columns * (f.columns + f2.rows) + 2 * d.rows * d2.columns * (d.columns + d2.rows);
  }
  return sum;
}

#define TENSIM_INSTANTIATE(T)                                                                                  \
  template struct TensorModel<T>;                                                                              \
  template TensorModel<T> fold_tensor<T>(const Context&, const ChainView&);                                    \
  template TensorModel<T> prepare_tensor<T>(const Context&, const ChainView&);                                 \
  template std::vector<double> tensor_slices<T>(const Context&, const TensorModel<T>&, const TensorModel<T>&); \
  template std::uint64_t tensor_flops<T>(const TensorModel<T>&, const TensorModel<T>&);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
