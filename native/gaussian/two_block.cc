#include "two_block.h"

#include <algorithm>

#include "../gemm/gemm.h"
#include "orthonormal.h"
#include "stages.h"
#include "two_block_pair.h"

namespace tensim {
namespace {

using Dense = Matrix<double>;

// Of a chain in which no other kind is left.
const BilinearView& bilinear_of(const Stage<double>& stage) {
  return std::get<BilinearView>(stage.block);
}

// Quadratics ζᵀAζ + aᵀζ + e, one per row.
struct Quadratics {
  Dense forms, vectors;
  std::vector<double> means;  // tr A + e
};

// The hidden units of the first block as quadratics, and the input as linear forms: everything after it is a
// combination of the two.
struct Ground {
  std::size_t rank = 0;
  Dense basis;
  Quadratics units;  // (L x + l) ⊙ (R x + r)
  Dense input;       // x = input · ζ + offset
  std::vector<double> offset;
};

Ground ground_of(const Context& context, Stages<double>& chain) {
  Ground ground;
  const Dense& front = chain.front.matrix;
  Dense left, right;
  const BilinearView* block = chain.stages.empty() ? nullptr : &bilinear_of(chain.stages.front());
  if (block != nullptr) {
    left = multiply<double>(context, block->left, front.view());
    right = multiply<double>(context, block->right, front.view());
  }
  // Without a residual only the units see the input.
  if (block != nullptr && block->alpha == 0 && 2 * left.rows < front.rows) {
    Dense both(2 * left.rows, left.columns);
    std::copy_n(left.data(), left.values.size(), both.data());
    std::copy_n(right.data(), right.values.size(), both.data() + left.values.size());
    ground.basis = row_space(context, both);
  } else {
    ground.basis = row_space(context, front);
  }
  const std::size_t r = ground.rank = ground.basis.rows;
  const MatrixView to_basis = ground.basis.view().transpose();
  ground.input = multiply<double>(context, front.view(), to_basis);
  ground.offset = chain.front.offset;
  if (block == nullptr) return ground;

  left = multiply<double>(context, left.view(), to_basis);
  right = multiply<double>(context, right.view(), to_basis);
  const std::vector<double> u = multiply_vector(context, block->left, ground.offset, block->left_bias),
                            v = multiply_vector(context, block->right, ground.offset, block->right_bias);
  const std::size_t units = left.rows;
  ground.units = {Dense(units, r * r), Dense(units, r), std::vector<double>(units)};
  context.parallel_for(units, [&](std::size_t m) {
    const double *l = left.row(m), *w = right.row(m);
    double mean = u[m] * v[m];
    for (std::size_t i = 0; i < r; ++i) {
      for (std::size_t j = 0; j < r; ++j) ground.units.forms.row(m)[i * r + j] = 0.5 * (l[i] * w[j] + l[j] * w[i]);
      ground.units.vectors.row(m)[i] = u[m] * w[i] + v[m] * l[i];
      mean += l[i] * w[i];
    }
    ground.units.means[m] = mean;
  });
  return ground;
}

// An affine function of the first block's output: of_units · units + of_input · x + constant, row by row.
struct Combination {
  Dense of_units, of_input;
  std::vector<double> constant;
};

// The output of the stage that `stage` describes, D and residual and the linear layers after it, over its units and its
// input.
Combination combination(const Context& context, const Stage<double>& stage) {
  const BilinearView& block = bilinear_of(stage);
  const std::size_t outputs = block.outputs(), width = block.width();
  Combination result;
  if (absent(block.down)) {
    result.of_units = Dense::zeros(outputs, outputs);
    for (std::size_t i = 0; i < outputs; ++i) result.of_units.row(i)[i] = block.beta;
  } else {
    result.of_units = Dense::copy(block.down, block.beta);
  }
  result.of_input = Dense::zeros(outputs, width);
  for (std::size_t i = 0; block.alpha != 0 && i < outputs; ++i) result.of_input.row(i)[i] = block.alpha;
  result.constant = vector_of(block.down_bias, outputs);
  for (double& c : result.constant) c *= block.beta;
  if (!stage.linear_after) return result;
  std::vector<double> constant = stage.after_bias;
  add_product(stage.after, result.constant.data(), 1, constant.data());
  return {multiply<double>(context, stage.after.view(), result.of_units.view()),
          multiply<double>(context, stage.after.view(), result.of_input.view()), std::move(constant)};
}

// W · combination + b
Combination after(const Context& context, const MatrixView& w, std::vector<double> b, const Combination& inner) {
  for (std::size_t i = 0; i < w.rows; ++i) {
    for (std::size_t j = 0; j < w.columns; ++j) b[i] += element(w, i, j) * inner.constant[j];
  }
  return {multiply<double>(context, w, inner.of_units.view()), multiply<double>(context, w, inner.of_input.view()),
          std::move(b)};
}

Quadratics evaluate(const Context& context, const Ground& ground, const Combination& f) {
  Quadratics q;
  q.vectors = multiply<double>(context, f.of_input.view(), ground.input.view());
  q.means = f.constant;
  add_product(f.of_input, ground.offset.data(), 1, q.means.data());
  if (ground.units.means.empty()) {
    q.forms = Dense::zeros(q.means.size(), ground.rank * ground.rank);
    return q;
  }
  q.forms = multiply<double>(context, f.of_units.view(), ground.units.forms.view());
  gemm<double>(context, f.of_units.view(), ground.units.vectors.view(), q.vectors.data(),
               static_cast<std::ptrdiff_t>(ground.rank), 1, true);
  add_product(f.of_units, ground.units.means.data(), 1, q.means.data());
  return q;
}

// Rows of `from` into `to` from row `first` on.
template <class T>
void place(const Dense& from, Matrix<T>& to, std::size_t first) {
  std::transform(from.data(), from.data() + from.values.size(), to.row(first),
                 [](double x) { return static_cast<T>(x); });
}

// What is collected per output, starting from Y.
struct Collected {
  Quadratics sum;  // becomes second, first and the mean
  Dense r;         // R
};

void collect(const Context& context, const Quadratics& u, const Quadratics& v, const Dense& down, Collected& y) {
  const MicroKernels<double>& kernels = context.kernels.f64;
  const std::size_t rank = u.vectors.columns, square = rank * rank, units = u.means.size(), outputs = down.rows;
  // Per unit: ū A_V + v̄ A_U + 2 (A_U A_V + A_V A_U) + sym(a_U a_Vᵀ), and the like, then D times these.
  Dense forms(units, square), outer(units, square), vectors(units, rank);
  std::vector<double> means(units);
  const auto d = static_cast<std::ptrdiff_t>(rank);
  context.parallel_for(units, [&](std::size_t k) {
    const double *au = u.forms.row(k), *av = v.forms.row(k), *lu = u.vectors.row(k), *lv = v.vectors.row(k);
    double *form = forms.row(k), *ring = outer.row(k), *vector = vectors.row(k);
    AlignedBuffer<double> both(square);
    gemm<double>(context, MatrixView::row_major(au, rank, rank), MatrixView::row_major(av, rank, rank), both.data(), d);
    for (std::size_t i = 0; i < rank; ++i) {
      for (std::size_t j = 0; j < rank; ++j) {
        const std::size_t at = i * rank + j;
        ring[at] = 0.5 * (lu[i] * lv[j] + lu[j] * lv[i]);
        form[at] = u.means[k] * av[at] + v.means[k] * au[at] + 2 * (both[at] + both[j * rank + i]) + ring[at];
      }
      vector[i] = u.means[k] * lv[i] + v.means[k] * lu[i] +
                  2 * (kernels.dot(rank, av + i * rank, lu) + kernels.dot(rank, au + i * rank, lv));
    }
    means[k] = u.means[k] * v.means[k] + 2 * kernels.dot(square, au, av) + kernels.dot(rank, lu, lv);
  });
  gemm<double>(context, down.view(), forms.view(), y.sum.forms.data(), static_cast<std::ptrdiff_t>(square), 1, true);
  gemm<double>(context, down.view(), vectors.view(), y.sum.vectors.data(), d, 1, true);
  add_product(down, means.data(), 1, y.sum.means.data());
  y.r = Dense(outputs, square);
  gemm<double>(context, down.view(), outer.view(), y.r.data(), static_cast<std::ptrdiff_t>(square));
}

}  // namespace

template <class T>
std::size_t TwoBlockModel<T>::bytes() const {
  return basis.bytes() + forms.bytes() + vectors.bytes() + down.bytes() + (mean.size() + self.size()) * sizeof(double);
}

template <class T>
TwoBlockModel<T> fold_two_block(const Context& context, const ChainView& view) {
  require_bilinear(view, "the method two-block does not know");
  Stages<double> chain = stages_of<double>(context, view);
  if (chain.stages.size() > 2) throw Error("UNSUPPORTED_LAYER", "a chain with more than two blocks");
  const Ground ground = ground_of(context, chain);

  TwoBlockModel<T> model;
  model.positions = view.positions;
  model.inputs = chain.front.matrix.columns;
  model.outputs = chain.outputs;
  model.rank = ground.rank;
  const std::size_t square = model.rank * model.rank;

  Combination first;
  if (chain.stages.empty()) {  // the input itself
    first = {Dense(), Dense::zeros(model.outputs, model.outputs), std::vector<double>(model.outputs, 0.0)};
    for (std::size_t i = 0; i < model.outputs; ++i) first.of_input.row(i)[i] = 1;
  } else {
    first = combination(context, chain.stages.front());
  }
  Collected y;
  Quadratics u, v;
  if (chain.stages.size() < 2) {
    y.sum = evaluate(context, ground, first);
    y.r = Dense::zeros(model.outputs, square);
  } else {
    const BilinearView& block = bilinear_of(chain.stages[1]);
    Combination second = combination(context, chain.stages[1]);
    model.units = block.units();
    model.down = std::move(second.of_units);
    y.sum = evaluate(context, ground, after(context, second.of_input.view(), second.constant, first));
    u = evaluate(context, ground, after(context, block.left, vector_of(block.left_bias, model.units), first));
    v = evaluate(context, ground, after(context, block.right, vector_of(block.right_bias, model.units), first));
    collect(context, u, v, model.down, y);
  }

  const std::size_t h = model.units, o = model.outputs;
  model.basis = Matrix<T>::copy(ground.basis.view());
  model.forms = Matrix<T>(2 * h + 2 * o, square);
  model.vectors = Matrix<T>(2 * h + o, model.rank);
  place(u.forms, model.forms, 0);
  place(v.forms, model.forms, h);
  place(y.sum.forms, model.forms, 2 * h);
  place(y.r, model.forms, 2 * h + o);
  place(u.vectors, model.vectors, 0);
  place(v.vectors, model.vectors, h);
  place(y.sum.vectors, model.vectors, 2 * h);
  model.mean = std::move(y.sum.means);
  model.linear_parts =
      std::any_of(model.vectors.data(), model.vectors.data() + 2 * h * model.rank, [](T x) { return x != 0; });
  return model;
}

template <class T>
TwoBlockModel<T> prepare_two_block(const Context& context, const ChainView& view) {
  TwoBlockModel<T> model = fold_two_block<T>(context, view);
  model.self = two_block_slices(context, model, model);
  return model;
}

template struct TwoBlockModel<double>;
template struct TwoBlockModel<float>;
template TwoBlockModel<double> fold_two_block<double>(const Context&, const ChainView&);
template TwoBlockModel<float> fold_two_block<float>(const Context&, const ChainView&);
template TwoBlockModel<double> prepare_two_block<double>(const Context&, const ChainView&);
template TwoBlockModel<float> prepare_two_block<float>(const Context&, const ChainView&);

}  // namespace tensim
