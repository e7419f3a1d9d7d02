#include "attention.h"

#include <algorithm>

#include "../gemm/gemm.h"
#include "chains.h"

namespace tensim {
namespace {

// The vectors of Chains, halves first and v last, by kind.
constexpr int kOurVectors[kKinds] = {0, 1, 2, 3, kV};
constexpr int kTheirVectors[kKinds] = {4, 5, 6, 7, kW};
constexpr bool is_query(std::size_t kind) {
  return kind == 0 || kind == 2;
}

// What one head of ours and all heads of theirs know of each other.
template <class T>
struct Cross {
  const AttentionBlock<T>&a, &b;
  bool alike;
  std::size_t h = 0;
  AlignedBuffer<T> blocks, transposed;  // (h', s, t, kind, kind'), and each transposed

  Cross(const AttentionBlock<T>& a, const AttentionBlock<T>& b, bool alike)
      : a(a), b(b), alike(alike), blocks(b.heads * count() * square()), transposed(b.heads * count() * square()) {}

  std::size_t count() const { return a.positions * a.positions * kKinds * kKinds; }
  std::size_t square() const { return a.d_head * b.d_head; }
  const T* block(const AlignedBuffer<T>& from, std::size_t h2, std::size_t s, std::size_t t, std::size_t kind,
                 std::size_t kind2) const {
    if (alike && s != t) return nullptr;
    return from.data() + (h2 * count() + (s * a.positions + t) * kKinds * kKinds + kind * kKinds + kind2) * square();
  }

  void compute(const Context& context, std::size_t head, const Matrix<T>& left) {
    h = head;
    project_right(context, a, left, b, {h, 0, b.heads}, alike, blocks.data());
    const std::size_t pairs = a.positions * a.positions;
    context.parallel_for(b.heads * pairs, [&](std::size_t task) {
      if (alike && task % pairs / a.positions != task % pairs % a.positions) return;
      for (std::size_t k = task * kKinds * kKinds; k < (task + 1) * kKinds * kKinds; ++k) {
        const T* from = blocks.data() + k * square();
        T* to = transposed.data() + k * square();
        for (std::size_t i = 0; i < a.d_head; ++i) {
          for (std::size_t j = 0; j < b.d_head; ++j) to[j * a.d_head + i] = from[i * b.d_head + j];
        }
      }
    });
  }

  // Puts what queries at s and keys and values at t of one model, and s2, t2 of the other, know of each other into the
  // engine's table.
  void fill(std::size_t h2, std::size_t s, std::size_t t, std::size_t s2, std::size_t t2,
            VectorSystem<T>& system) const {
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
      const auto x = static_cast<std::size_t>(kOurVectors[kind]), x2 = static_cast<std::size_t>(kTheirVectors[kind]);
      const std::size_t at = is_query(kind) ? s : t, at2 = is_query(kind) ? s2 : t2;
      system.mean[x] = a.mean(h, at, kind);
      system.mean[x2] = b.mean(h2, at2, kind);
      for (std::size_t other = 0; other < kKinds; ++other) {
        const auto y = static_cast<std::size_t>(kOurVectors[other]),
                   y2 = static_cast<std::size_t>(kTheirVectors[other]);
        const std::size_t to = is_query(other) ? s : t, to2 = is_query(other) ? s2 : t2;
        system.covariance[x][y] = a.own_block(h, at, to, kind, other);
        system.covariance[x2][y2] = b.own_block(h2, at2, to2, kind, other);
        system.covariance[x][y2] = block(blocks, h2, at, to2, kind, other);
        system.covariance[y2][x] = block(transposed, h2, at, to2, kind, other);
      }
    }
  }
};

constexpr std::uint32_t bits(std::initializer_list<int> vectors) {
  std::uint32_t mask = 0;
  for (int vector : vectors) mask |= 1u << vector;
  return mask;
}

// Cov(z, z') of the heads' sums before O, for position s of ours: all positions of theirs, or s alone with `last`.
// `z` is (positions·inner, positions·inner') or, with `last`, one such block per s, below each other.
template <class T>
void add_head_pair(const Context& context, const Cross<T>& cross, std::size_t h2, std::size_t s, bool last,
                   Matrix<T>& z) {
  const AttentionBlock<T>&a = cross.a, &b = cross.b;
  Chains<T> engine(context.kernels.of<T>(), a.d_head, b.d_head);
  VectorSystem<T> system;
  for (std::size_t t = 0; t < a.visible_count(s); ++t) {
    std::uint32_t changed = (1u << kVectors) - 1;
    for (std::size_t s2 = last ? s : 0; s2 < (last ? s + 1 : a.positions); ++s2) {
      T* out = z.row(s * a.inner() + cross.h * a.d_head) + (last ? 0 : s2 * b.inner()) + h2 * b.d_head;
      for (std::size_t t2 = 0; t2 < b.visible_count(s2); ++t2) {
        context.control.throw_if_aborted();
        cross.fill(h2, s, t, s2, t2, system);
        engine.set(system, changed);
        engine.add_covariance(out, z.columns);
        changed = bits({5, 7, kW});  // only t' moves in the innermost loop
      }
      changed = bits({4, 5, 6, 7, kW});
    }
  }
}

}  // namespace

template <class T>
Covariance<T> attention_pair(const Context& context, const AttentionBlock<T>& a, const AttentionBlock<T>& b,
                             const Covariance<T>& covariance, bool last) {
  const std::size_t n = a.positions;
  const bool alike = covariance.alike;
  const Matrix<T> left = project_left(context, a, covariance);
  Matrix<T> z = Matrix<T>::zeros(n * a.inner(), (last ? 1 : n) * b.inner());
  Cross<T> cross(a, b, alike);
  for (std::size_t h = 0; h < a.heads; ++h) {
    cross.compute(context, h, left);
    context.parallel_for(b.heads * n, [&](std::size_t task) {
      add_head_pair(context, cross, task / n, n - 1 - task % n, last, z);  // the longest first
    });
  }

  // α α' C + α C J'ᵀ + α' J C + O Cov(z, z') O'ᵀ
  Covariance<T> out = last ? Covariance<T>{n, a.outputs, b.outputs, true, Matrix<T>::zeros(a.outputs, b.outputs)}
                           : Covariance<T>::dense(n, a.outputs, b.outputs);
  if (!last) out.values.values.clear();
  const auto stride = static_cast<std::ptrdiff_t>(out.values.columns);
  // C J'ᵀ and J C reach a block by positions r; of a causal Jacobian only those before are not zero.
  const auto add_derivatives = [&](std::size_t s, std::size_t t, T* block) {
    for (std::size_t r = 0; a.alpha != 0 && r < b.visible_count(t); ++r) {
      if (covariance.zero(s, r)) continue;
      const Matrix<T> part = multiply<T>(context, covariance.block(s, r),
                                         b.jacobian.block(t * b.outputs, b.outputs, r * b.width, b.width).transpose());
      for (std::size_t i = 0; i < part.rows; ++i) {
        context.kernels.of<T>().axpy(part.columns, static_cast<T>(a.alpha), part.row(i), block + i * out.values.columns,
                                     true);
      }
    }
    for (std::size_t r = 0; b.alpha != 0 && r < a.visible_count(s); ++r) {
      if (covariance.zero(r, t)) continue;
      const Matrix<T> part = multiply<T>(context, a.jacobian.block(s * a.outputs, a.outputs, r * a.width, a.width),
                                         covariance.block(r, t));
      for (std::size_t i = 0; i < part.rows; ++i) {
        context.kernels.of<T>().axpy(part.columns, static_cast<T>(b.alpha), part.row(i), block + i * out.values.columns,
                                     true);
      }
    }
    if (a.alpha != 0 && b.alpha != 0 && !covariance.zero(s, t)) {
      const MatrixView from = covariance.block(s, t);
      for (std::size_t i = 0; i < from.rows; ++i) {
        context.kernels.of<T>().axpy(
            from.columns, static_cast<T>(a.alpha * b.alpha),
            static_cast<const T*>(from.data) + static_cast<std::ptrdiff_t>(i) * from.row_stride,
            block + i * out.values.columns, true);
      }
    }
  };
  if (last) {
    Matrix<T> sum = Matrix<T>::zeros(a.inner(), b.inner());
    for (std::size_t s = 0; s < n; ++s) {
      context.kernels.of<T>().axpy(sum.values.size(), T(1), z.row(s * a.inner()), sum.data(), true);
      add_derivatives(s, s, out.values.data());
    }
    const Matrix<T> half = multiply<T>(context, a.output.view(), sum.view());
    gemm<T>(context, half.view(), b.output.view().transpose(), out.values.data(), stride, 1, true);
    return out;
  }
  for (std::size_t s = 0; s < n; ++s) {
    const Matrix<T> half = multiply<T>(context, a.output.view(), z.block(s * a.inner(), a.inner(), 0, z.columns));
    for (std::size_t t = 0; t < n; ++t) {
      gemm<T>(context, half.block(0, half.rows, t * b.inner(), b.inner()), b.output.view().transpose(), out.at(s, t),
              stride, 1, true);
      add_derivatives(s, t, out.at(s, t));
    }
  }
  return out;
}

template <class T>
std::uint64_t attention_flops(const AttentionBlock<T>& a, const AttentionBlock<T>& b, bool alike, bool last) {
  const std::uint64_t n = a.positions, pairs = alike ? n : n * n;
  const std::uint64_t projections = pairs * 2 * a.projection.rows / n * b.width * (a.width + b.projection.rows / n);
  std::uint64_t chains = 0;
  for (std::size_t s = 0; s < n; ++s) {
    for (std::size_t t = last ? s : 0; t < (last ? s + 1 : n); ++t) chains += a.visible_count(s) * b.visible_count(t);
  }
  constexpr std::uint64_t kProducts = 280;  // of one system without a zero block
  const std::uint64_t largest = std::max(a.d_head, b.d_head);
  chains *= a.heads * b.heads * kProducts * 2 * largest * a.d_head * b.d_head;
  const std::uint64_t outputs = (last ? 1 : n * n) * 2 * a.outputs * b.inner() * (a.inner() + b.outputs) +
                                (last ? pairs : pairs * n) * 4 * a.outputs * a.width * b.width;
  return projections + chains + outputs;
}

template std::uint64_t attention_flops<double>(const AttentionBlock<double>&, const AttentionBlock<double>&, bool,
                                               bool);
template std::uint64_t attention_flops<float>(const AttentionBlock<float>&, const AttentionBlock<float>&, bool, bool);
template Covariance<double> attention_pair<double>(const Context&, const AttentionBlock<double>&,
                                                   const AttentionBlock<double>&, const Covariance<double>&, bool);
template Covariance<float> attention_pair<float>(const Context&, const AttentionBlock<float>&,
                                                 const AttentionBlock<float>&, const Covariance<float>&, bool);

}  // namespace tensim
