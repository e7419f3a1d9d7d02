#include "check.h"
#include "core/aligned_buffer.h"
#include "gemm/gemm.h"

namespace tensim::test {
namespace {

template <class T>
constexpr double kEpsilon = sizeof(T) == 8 ? 2.3e-16 : 1.2e-7;

// A product of strided matrices against three plain loops, to (k + 2)·ε per element of |A|·|B|.
template <class T, class S>
void check_gemm(const Context& context, Random& random, std::size_t m, std::size_t n, std::size_t k, bool transposed_a,
                bool transposed_b, bool accumulate, std::ptrdiff_t c_gap) {
  const std::vector<S> a = random.vector<S>(m * k), b = random.vector<S>(k * n);
  MatrixView a_view =
      transposed_a ? MatrixView::row_major(a.data(), k, m).transpose() : MatrixView::row_major(a.data(), m, k);
  MatrixView b_view =
      transposed_b ? MatrixView::row_major(b.data(), n, k).transpose() : MatrixView::row_major(b.data(), k, n);
  const auto row_stride = static_cast<std::ptrdiff_t>(n) * c_gap + 3;
  std::vector<T> c = random.vector<T>(m * static_cast<std::size_t>(row_stride) + 1);
  const std::vector<T> before = c;
  gemm<T>(context, a_view, b_view, c.data(), row_stride, c_gap, accumulate);
  std::vector<bool> touched(c.size(), false);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      const auto at = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(i) * row_stride +
                                               static_cast<std::ptrdiff_t>(j) * c_gap);
      touched[at] = true;
      double sum = accumulate ? static_cast<double>(before[at]) : 0, size = std::abs(sum);
      for (std::size_t l = 0; l < k; ++l) {
        const double x = a[transposed_a ? l * m + i : i * k + l], y = b[transposed_b ? j * k + l : l * n + j];
        sum += x * y;
        size += std::abs(x * y);
      }
      CHECK_CLOSE(static_cast<double>(c[at]), sum, (static_cast<double>(k) + 2) * kEpsilon<T>, size + 1e-300);
    }
  }
  for (std::size_t at = 0; at < c.size(); ++at) CHECK(touched[at] || c[at] == before[at]);
}

}  // namespace

TEST(gemm_agrees_with_plain_loops_on_every_instruction_set) {
  on_every_kernel([](const Context& context) {
    Random random(1);
    const std::size_t sizes[][3] = {{1, 1, 1}, {6, 32, 4},   {7, 33, 5},    {13, 1, 300},   {1, 70, 9},
                                    {5, 5, 0}, {97, 65, 31}, {3, 200, 700}, {130, 40, 260}, {64, 64, 64}};
    int which = 0;
    for (const auto& size : sizes) {
      const bool ta = (which & 1) != 0, tb = (which & 2) != 0, accumulate = (which & 4) != 0;
      const std::ptrdiff_t gap = which % 3 == 2 ? 2 : 1;
      check_gemm<double, double>(context, random, size[0], size[1], size[2], ta, tb, accumulate, gap);
      check_gemm<double, float>(context, random, size[0], size[1], size[2], tb, ta, !accumulate, gap);
      check_gemm<float, float>(context, random, size[0], size[1], size[2], ta, tb, accumulate, gap);
      check_gemm<float, double>(context, random, size[0], size[1], size[2], !ta, tb, accumulate, gap);
      ++which;
    }
  });
}

TEST(gemm_gives_the_same_bits_on_any_number_of_threads) {
  Random random(2);
  const std::size_t m = 150, n = 333, k = 1000;
  const std::vector<double> a = random.vector<double>(m * k), b = random.vector<double>(k * n);
  std::vector<double> first(m * n), other(m * n);
  for (unsigned threads : {1u, 2u, 3u, 7u}) {
    ThreadPool pool;
    Control control;
    std::vector<double>& c = threads == 1 ? first : other;
    gemm<double>(Context{kernels_for(available_instruction_sets().back()), pool, threads, control},
                 MatrixView::row_major(a.data(), m, k), MatrixView::row_major(b.data(), k, n), c.data(),
                 static_cast<std::ptrdiff_t>(n));
    CHECK(threads == 1 || first == other);
  }
}

TEST(dot_handles_every_length_and_alignment) {
  for (InstructionSet set : available_instruction_sets()) {
    Random random(3);
    const KernelSet& kernels = kernels_for(set);
    for (std::size_t length = 0; length < 200; ++length) {
      const std::vector<double> a = random.vector<double>(length + 1), b = random.vector<double>(length + 1);
      const std::vector<float> af(a.begin(), a.end()), bf(b.begin(), b.end());
      double sum = 0, sum_f = 0;
      for (std::size_t i = 0; i < length; ++i) {
        sum += a[i + 1] * b[i];
        sum_f += static_cast<double>(af[i + 1]) * static_cast<double>(bf[i]);
      }
      CHECK_CLOSE(kernels.f64.dot(length, a.data() + 1, b.data()), sum, 1e-14, static_cast<double>(length) + 1);
      CHECK_CLOSE(kernels.f32.dot(length, af.data() + 1, bf.data()), sum_f, 1e-14, static_cast<double>(length) + 1);
    }
  }
}

namespace {

template <class T>
void check_vector_kernels(const MicroKernels<T>& kernels, Random& random) {
  for (std::size_t length = 0; length < 70; ++length) {
    const std::vector<T> a = random.vector<T>(length + 1), b = random.vector<T>(length + 1);
    for (bool accumulate : {false, true}) {
      const std::vector<T> before = random.vector<T>(length + 2);  // one element beyond the end, which must stay
      std::vector<T> scaled = before, product = before;
      kernels.axpy(length, T(3), a.data() + 1, scaled.data(), accumulate);
      kernels.multiply(length, T(2), a.data() + 1, T(0.5), b.data(), product.data(), accumulate);
      for (std::size_t i = 0; i < length; ++i) {
        const T start = accumulate ? before[i] : T(0);
        CHECK_CLOSE(scaled[i], start + T(3) * a[i + 1], 4 * kEpsilon<T>, 4.0);
        CHECK_CLOSE(product[i], start + a[i + 1] * b[i], 4 * kEpsilon<T>, 4.0);
      }
      CHECK(scaled[length] == before[length] && product[length] == before[length]);
    }
    double sum = 0;
    for (std::size_t i = 0; i < length; ++i) sum += static_cast<double>(a[i + 1]);
    CHECK_CLOSE(kernels.sum(length, a.data() + 1), sum, 1e-14, 70.0);
  }
}

template <class T>
void check_small(const MicroKernels<T>& kernels, Random& random, std::size_t m, std::size_t n, std::size_t k) {
  const std::size_t c_row = n + 3, b_step = n + 1;
  const std::vector<T> a = random.vector<T>(m * k), b = random.vector<T>(k * b_step),
                       before = random.vector<T>(m * c_row + 1);
  for (bool transposed : {false, true}) {
    for (bool overwrite : {false, true}) {
      std::vector<T> c = before;
      const auto a_row = static_cast<std::ptrdiff_t>(transposed ? 1 : k),
                 a_step = static_cast<std::ptrdiff_t>(transposed ? m : 1);
      kernels.small({{a.data(), a_row, a_step},
                     {b.data(), static_cast<std::ptrdiff_t>(b_step)},
                     {c.data(), static_cast<std::ptrdiff_t>(c_row)},
                     m,
                     n,
                     k,
                     overwrite});
      for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t j = 0; j < c_row; ++j) {
          const std::size_t at = i * c_row + j;
          if (j >= n) {
            CHECK(c[at] == before[at]);
            continue;
          }
          double sum = overwrite ? 0 : static_cast<double>(before[at]);
          for (std::size_t p = 0; p < k; ++p) {
            sum += static_cast<double>(a[transposed ? p * m + i : i * k + p]) * static_cast<double>(b[p * b_step + j]);
          }
          CHECK_CLOSE(static_cast<double>(c[at]), sum, (static_cast<double>(k) + 2) * kEpsilon<T>,
                      static_cast<double>(k) + 1);
        }
      }
    }
  }
}

}  // namespace

TEST(vector_kernels_handle_every_length_and_touch_nothing_else) {
  for (InstructionSet set : available_instruction_sets()) {
    Random random(7);
    check_vector_kernels(kernels_for(set).f64, random);
    check_vector_kernels(kernels_for(set).f32, random);
  }
}

TEST(small_products_handle_every_size_and_touch_nothing_else) {
  for (InstructionSet set : available_instruction_sets()) {
    Random random(8);
    for (std::size_t m : {1u, 3u, 4u, 11u}) {
      for (std::size_t n = 1; n < 36; ++n) {
        for (std::size_t k : {0u, 1u, 7u}) {
          check_small(kernels_for(set).f64, random, m, n, k);
          check_small(kernels_for(set).f32, random, m, n, k);
        }
      }
    }
  }
}

}  // namespace tensim::test
