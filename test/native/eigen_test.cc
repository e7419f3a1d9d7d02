#include "check.h"
#include "linalg/symmetric_eigen.h"

namespace tensim::test {

TEST(eigenpairs_solve_their_equation_on_every_instruction_set) {
  constexpr std::size_t count = 4, wanted = 3;
  for (std::size_t size : {1u, 2u, 3u, 17u, 64u}) {
    Random random(5);
    std::vector<double> matrices = random.vector<double>(count * size * size);
    for (std::size_t m = 0; m < count; ++m) {
      double* a = matrices.data() + m * size * size;
      for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t j = 0; j < i; ++j) a[j * size + i] = a[i * size + j];
      }
    }
    const std::size_t kept = std::min(wanted, size);
    on_every_kernel([&](const Context& context) {
      const EigenPairs pairs = symmetric_eigen(context, matrices.data(), count, size, kept);
      for (std::size_t m = 0; m < count; ++m) {
        const double* a = matrices.data() + m * size * size;
        double trace = 0, sum = 0;
        for (std::size_t i = 0; i < size; ++i) {
          trace += a[i * size + i];
          sum += pairs.values[m * size + i];
        }
        CHECK_CLOSE(sum, trace, 1e-13, static_cast<double>(size));
        for (std::size_t k = 0; k < kept; ++k) {
          const double* v = pairs.vectors.data() + (m * kept + k) * size;
          for (std::size_t i = 0; i < size; ++i) {
            double image = 0;
            for (std::size_t j = 0; j < size; ++j) image += a[i * size + j] * v[j];
            CHECK_CLOSE(image, pairs.values[m * size + k] * v[i], 1e-13, static_cast<double>(size));
          }
        }
      }
    });
  }
}

TEST(eigenpairs_are_refused_for_what_is_no_number) {
  on_every_kernel([](const Context& context) {
    const std::vector<double> matrix{1, 0, std::nan(""), 1};
    bool refused = false;
    try {
      symmetric_eigen(context, matrix.data(), 1, 2, 1);
    } catch (const Error& error) {
      refused = std::string(error.code()) == "NOT_FINITE";
    }
    CHECK(refused);
  });
}

}  // namespace tensim::test
