// The kernels on memory as it lies: contiguous vectors and small matrices. See gemm/kernels.h for what each computes.
#pragma once

#include "vector.h"

namespace tensim {
namespace {

template <class V>
struct VectorKernel {
  using T = typename V::T;
  using Vector = typename V::Vector;
  using W = typename WideOf<V>::type;  // double vectors
  using WideVector = typename W::Vector;

  static constexpr std::size_t kWidth = V::kWidth;
  static constexpr int kParts = V::kWidth / W::kWidth;  // double vectors per vector of T: 1 or 2

  template <int Part>
  static TENSIM_INLINE WideVector wide(Vector v) {
    if constexpr (kParts == 1) {
      return v;
    } else {
      return V::template widen<Part>(v);
    }
  }

  // Eight independent sums hide the latency of the multiply-add.
  static constexpr int kSums = 8;
  static constexpr int kStreams = kSums / kParts;
  static constexpr std::size_t kStep = kStreams * kWidth;

  static TENSIM_INLINE double add_up(WideVector (&sums)[kSums]) {
    WideVector all = sums[0];
    unroll<kSums - 1>([&](auto i) TENSIM_LAMBDA { all = W::add(all, sums[i + 1]); });
    return W::sum(all);
  }

  static double dot(std::size_t length, const T* a, const T* b) {
    WideVector sums[kSums];
    unroll<kSums>([&](auto i) TENSIM_LAMBDA { sums[i] = W::zero(); });
    std::size_t at = 0;
    for (; at + kStep <= length; at += kStep) {
      unroll<kStreams>([&](auto i) TENSIM_LAMBDA {
        const Vector x = V::load_any(a + at + i * kWidth), y = V::load_any(b + at + i * kWidth);
        unroll<kParts>([&](auto p) TENSIM_LAMBDA {
          constexpr int part = decltype(p)::value;
          sums[i * kParts + p] = W::fma(wide<part>(x), wide<part>(y), sums[i * kParts + p]);
        });
      });
    }
    double result = add_up(sums);
    for (; at < length; ++at) result += static_cast<double>(a[at]) * static_cast<double>(b[at]);
    return result;
  }

  static double sum(std::size_t length, const T* a) {
    WideVector sums[kSums];
    unroll<kSums>([&](auto i) TENSIM_LAMBDA { sums[i] = W::zero(); });
    std::size_t at = 0;
    for (; at + kStep <= length; at += kStep) {
      unroll<kStreams>([&](auto i) TENSIM_LAMBDA {
        const Vector x = V::load_any(a + at + i * kWidth);
        unroll<kParts>([&](auto p) TENSIM_LAMBDA {
          constexpr int part = decltype(p)::value;
          sums[i * kParts + p] = W::add(wide<part>(x), sums[i * kParts + p]);
        });
      });
    }
    double result = add_up(sums);
    for (; at < length; ++at) result += static_cast<double>(a[at]);
    return result;
  }

  // Calls f(at, n) for vectors of kWidth elements, then once for the n that are left.
  template <class F>
  static TENSIM_INLINE void for_vectors(std::size_t length, const F& f) {
    std::size_t at = 0;
    for (; at + kWidth <= length; at += kWidth) f(at, kWidth);
    if (at < length) f(at, length - at);
  }
  static TENSIM_INLINE Vector load(const T* p, std::size_t n) {
    return n == kWidth ? V::load_any(p) : V::load_part(p, n);
  }
  static TENSIM_INLINE void store(T* p, Vector v, std::size_t n) {
    if (n == kWidth) {
      V::store_any(p, v);
    } else {
      V::store_part(p, v, n);
    }
  }

  static void axpy(std::size_t length, T factor, const T* x, T* y, bool accumulate) {
    const Vector f = V::splat(factor);
    for_vectors(length, [&](std::size_t at, std::size_t n) TENSIM_LAMBDA {
      const Vector value = load(x + at, n);
      store(y + at, accumulate ? V::fma(f, value, load(y + at, n)) : V::mul(f, value), n);
    });
  }

  static void multiply(std::size_t length, T a_factor, const T* a, T b_factor, const T* b, T* y, bool accumulate) {
    const Vector fa = V::splat(a_factor), fb = V::splat(b_factor);
    for_vectors(length, [&](std::size_t at, std::size_t n) TENSIM_LAMBDA {
      const Vector u = V::mul(fa, load(a + at, n)), v = V::mul(fb, load(b + at, n));
      store(y + at, accumulate ? V::fma(u, v, load(y + at, n)) : V::mul(u, v), n);
    });
  }

  // R rows by N vectors of columns, the last of which has `tail` lanes.
  template <int R, int N>
  static TENSIM_INLINE void small_block(const SmallProduct<T>& product, std::size_t tail) {
    const T *a = product.a.data, *b = product.b.data;
    const std::ptrdiff_t a_row = product.a.row, a_step = product.a.step, b_step = product.b.step;
    Vector sums[R][N];
    unroll<R>([&](auto i) TENSIM_LAMBDA { unroll<N>([&](auto j) TENSIM_LAMBDA { sums[i][j] = V::zero(); }); });
    for (std::size_t k = 0; k < product.depth; ++k) {
      Vector column[N];
      unroll<N>([&](auto j) TENSIM_LAMBDA { column[j] = load(b + j * kWidth, j == N - 1 ? tail : kWidth); });
      unroll<R>([&](auto i) TENSIM_LAMBDA {
        const Vector row = V::splat(a[i * a_row]);
        unroll<N>([&](auto j) TENSIM_LAMBDA { sums[i][j] = V::fma(row, column[j], sums[i][j]); });
      });
      a += a_step;
      b += b_step;
    }
    unroll<R>([&](auto i) TENSIM_LAMBDA {
      unroll<N>([&](auto j) TENSIM_LAMBDA {
        T* at = product.c.data + i * product.c.row + j * kWidth;
        const std::size_t n = j == N - 1 ? tail : kWidth;
        store(at, product.overwrite ? sums[i][j] : V::add(load(at, n), sums[i][j]), n);
      });
    });
  }

  // All rows of N vectors of columns.
  template <int N>
  static void small_columns(SmallProduct<T> product, std::size_t tail) {
    constexpr std::size_t kRows = 4;
    for (; product.rows >= kRows; product.rows -= kRows) {
      small_block<kRows, N>(product, tail);
      product.a.data += std::ptrdiff_t{kRows} * product.a.row;
      product.c.data += std::ptrdiff_t{kRows} * product.c.row;
    }
    if (product.rows == 3) return small_block<3, N>(product, tail);
    if (product.rows == 2) return small_block<2, N>(product, tail);
    if (product.rows == 1) return small_block<1, N>(product, tail);
  }

  static void small(const SmallProduct<T>& product) {
    TENSIM_ASSERT(product.c.data != nullptr || product.rows * product.columns == 0);
    TENSIM_ASSERT((product.a.data != nullptr && product.b.data != nullptr) || product.depth == 0 ||
                  product.rows * product.columns == 0);
    SmallProduct<T> rest = product;
    for (; rest.columns > kWidth; rest.columns -= rest.columns < 2 * kWidth ? rest.columns : 2 * kWidth) {
      small_columns<2>(rest, rest.columns < 2 * kWidth ? rest.columns - kWidth : kWidth);
      rest.b.data += 2 * kWidth;
      rest.c.data += 2 * kWidth;
    }
    if (rest.columns > 0) small_columns<1>(rest, rest.columns);
  }
};

}  // namespace
}  // namespace tensim
