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
      transposed_a ? MatrixView::row_major(a.data(), k, m).transposed() : MatrixView::row_major(a.data(), m, k);
  MatrixView b_view =
      transposed_b ? MatrixView::row_major(b.data(), n, k).transposed() : MatrixView::row_major(b.data(), k, n);
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

}  // namespace tensim::test
