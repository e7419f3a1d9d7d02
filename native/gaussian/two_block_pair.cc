#include "two_block_pair.h"

#include <algorithm>

#include "../gemm/gemm.h"

namespace tensim {
namespace {

// The quadratics of one model in the coordinates of another: with T the covariance of the two coordinate vectors, A ↦ T
// A Tᵀ, a ↦ T a.
template <class T>
struct Carried {
  Matrix<T> forms, vectors;
};

template <class T>
Carried<T> carry(const Context& context, const TwoBlockModel<T>& model, const Matrix<T>& t) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const std::size_t from = model.rank, to = t.rows;
  Carried<T> carried{Matrix<T>(model.forms.rows, to * to),
                     multiply<T>(context, model.vectors.view(), t.view().transpose())};
  Matrix<T> half(model.forms.rows * from, to);
  gemm<T>(context, MatrixView::row_major(model.forms.data(), half.rows, from), t.view().transpose(), half.data(),
          static_cast<std::ptrdiff_t>(to));
  context.parallel_for(model.forms.rows, [&](std::size_t i) {
    const auto row = static_cast<std::ptrdiff_t>(to);
    kernels.small({{t.data(), static_cast<std::ptrdiff_t>(from), 1},
                   {half.row(i * from), row},
                   {carried.forms.row(i), row},
                   to,
                   to,
                   from,
                   true});
  });
  return carried;
}

// Beyond this rank the matrices no longer fit the first cache, and packing pays.
constexpr std::size_t kPackedRank = 96;

// The fourth cumulants' parts that do not separate into a sum over k times one over j, for unit k of ours and every
// unit j of theirs:
//   16 tr(U U' V V') + 4 [a_U V' V a_U' + a_U U' V a_V' + a_V V' U a_U' + a_V U' U a_V']
template <class T>
struct Interleaved {
  const Context& context;
  const TwoBlockModel<T>& a;
  const Carried<T>& b;
  std::size_t units;  // of theirs
  bool linear_parts;

  void run(std::size_t k, double* out) const {
    const MicroKernels<T>& kernels = context.kernels.of<T>();
    const std::size_t r = a.rank, h = a.units;
    const T *u = a.forms.row(k), *v = a.forms.row(h + k);
    AlignedBuffer<T> left(r * r), right(r * r), work(8 * r);
    for (std::size_t j = 0; j < units; ++j) {
      if (j % 8 == 0) context.control.throw_if_aborted();
      const T *u2 = b.forms.row(j), *v2 = b.forms.row(units + j);
      multiply(u, u2, left.data());
      multiply(v2, v, right.data());
      double sum = 16 * kernels.dot(r * r, left.data(), right.data());
      if (linear_parts) {
        // Rows a_U, a_V of ours times A' of theirs, and the other way round.
        const auto rows = [&](const T* first, std::size_t apart, const T* form, T* to) {
          const auto row = static_cast<std::ptrdiff_t>(r);
          kernels.small({{first, static_cast<std::ptrdiff_t>(apart), 1}, {form, row}, {to, row}, 2, r, r, true});
        };
        T *at_u2 = work.data(), *at_v2 = at_u2 + 2 * r, *at_u = at_v2 + 2 * r, *at_v = at_u + 2 * r;
        rows(a.vectors.row(k), h * r, u2, at_u2);
        rows(a.vectors.row(k), h * r, v2, at_v2);
        rows(b.vectors.row(j), units * r, u, at_u);
        rows(b.vectors.row(j), units * r, v, at_v);
        sum += 4 * (kernels.dot(r, at_v2, at_v) + kernels.dot(r, at_u2, at_v + r) + kernels.dot(r, at_v2 + r, at_u) +
                    kernels.dot(r, at_u2 + r, at_u + r));
      }
      out[j] = sum;
    }
  }

  void multiply(const T* x, const T* y, T* out) const {
    const std::size_t r = a.rank;
    const auto stride = static_cast<std::ptrdiff_t>(r);
    if (r > kPackedRank) {
      gemm<T>(context, MatrixView::row_major(x, r, r), MatrixView::row_major(y, r, r), out, stride);
    } else {
      context.kernels.of<T>().small({{x, stride, 1}, {y, stride}, {out, stride}, r, r, r, true});
    }
  }
};

// Σ_kj D_ck D'_cj E U°_k V°_k U'°_j V'°_j, without what `second` and `first` account for, added to result[c].
template <class T>
void add_products(const Context& context, const TwoBlockModel<T>& a, const TwoBlockModel<T>& theirs,
                  const Carried<T>& b, std::vector<double>& result) {
  const std::size_t h = a.units, h2 = theirs.units, square = a.rank * a.rank;
  if (h == 0 || h2 == 0) return;
  Matrix<double> fourth(h, h2);
  const Interleaved<T> interleaved{context, a, b, h2, a.linear_parts && theirs.linear_parts};
  context.parallel_for(h, [&](std::size_t k) { interleaved.run(k, fourth.row(k)); });

  // κ(U, U') and so on, (2h, 2h').
  Matrix<T> covariance =
      multiply<T>(context, a.forms.block(0, 2 * h, 0, square), b.forms.block(0, 2 * h2, 0, square).transpose());
  for (std::size_t i = 0; i < covariance.values.size(); ++i) covariance.data()[i] *= T(2);
  if (interleaved.linear_parts) {
    gemm<T>(context, a.vectors.block(0, 2 * h, 0, a.rank), b.vectors.block(0, 2 * h2, 0, a.rank).transpose(),
            covariance.data(), static_cast<std::ptrdiff_t>(covariance.columns), 1, true);
  }
  for (std::size_t k = 0; k < h; ++k) {
    const T *u = covariance.row(k), *v = covariance.row(h + k);
    for (std::size_t j = 0; j < h2; ++j) {
      fourth.row(k)[j] += static_cast<double>(u[j]) * static_cast<double>(v[h2 + j]) +
                          static_cast<double>(u[h2 + j]) * static_cast<double>(v[j]);
    }
  }
  const Matrix<double> half = multiply<double>(context, a.down.view(), fourth.view());
  for (std::size_t c = 0; c < a.outputs; ++c) result[c] += context.kernels.f64.dot(h2, half.row(c), theirs.down.row(c));
}

}  // namespace

template <class T>
std::vector<double> two_block_slices(const Context& context, const TwoBlockModel<T>& a, const TwoBlockModel<T>& b) {
  // The interleaved cumulant costs r³ per pair of units: work in the smaller of the two spaces.
  if (b.rank < a.rank) return two_block_slices(context, b, a);
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const Matrix<T> t = multiply<T>(context, a.basis.view(), b.basis.view().transpose());
  const Carried<T> carried = carry(context, b, t);
  const std::size_t square = a.rank * a.rank, outputs = a.outputs;
  std::vector<double> result(outputs);
  for (std::size_t c = 0; c < outputs; ++c) {
    const std::size_t ours = 2 * a.units + c, theirs = 2 * b.units + c;
    result[c] = a.mean[c] * b.mean[c] + 2 * kernels.dot(square, a.forms.row(ours), carried.forms.row(theirs)) -
                2 * kernels.dot(square, a.forms.row(ours + outputs), carried.forms.row(theirs + outputs)) +
                kernels.dot(a.rank, a.vectors.row(ours), carried.vectors.row(theirs));
  }
  add_products(context, a, b, carried, result);
  for (double& slice : result) slice *= static_cast<double>(a.positions);
  return result;
}

template <class T>
std::uint64_t two_block_flops(const TwoBlockModel<T>& a, const TwoBlockModel<T>& b) {
  const std::uint64_t r = std::min(a.rank, b.rank), from = std::max(a.rank, b.rank);
  const std::uint64_t carried = (a.rank > b.rank ? a : b).forms.rows;
  return 2 * r * from * a.inputs + carried * (2 * from * from * r + 2 * from * r * r) +
         a.units * b.units * (4 * r * r * r + 10 * r * r);
}

#define TENSIM_INSTANTIATE(T)                                                                                         \
  template std::vector<double> two_block_slices<T>(const Context&, const TwoBlockModel<T>&, const TwoBlockModel<T>&); \
  template std::uint64_t two_block_flops<T>(const TwoBlockModel<T>&, const TwoBlockModel<T>&);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
