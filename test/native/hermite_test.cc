#include "check.h"
#include "core/aligned_buffer.h"

namespace tensim::test {
namespace {

template <class T>
constexpr double kUnit = sizeof(T) == 8 ? 2.3e-16 : 1.2e-7;

template <class T>
AlignedBuffer<T> numbers(Random& random, std::size_t count, double scale) {
  AlignedBuffer<T> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<T>(scale * random.number());
  return values;
}

// Of a micro-tile and its units, everything drawn at random.
template <class T>
struct Drawn {
  std::size_t mr, nr, terms;
  AlignedBuffer<T> rho, kappa, kappa_prime, nu, weights, p, q, p_prime, q_prime;

  Drawn(Random& random, const MicroKernels<T>& kernels, std::size_t terms)
      : mr(static_cast<std::size_t>(kernels.mr)),
        nr(static_cast<std::size_t>(kernels.nr)),
        terms(terms),
        rho(numbers<T>(random, mr * nr, 0.9)),
        kappa(numbers<T>(random, mr * nr, 2)),
        kappa_prime(numbers<T>(random, mr * nr, 2)),
        nu(numbers<T>(random, mr * nr, 2)),
        weights(numbers<T>(random, mr * nr, 1)),
        p(numbers<T>(random, mr * (terms - 1), 1)),
        q(numbers<T>(random, mr * (terms - 1), 1)),
        p_prime(numbers<T>(random, nr * (terms - 1), 1)),
        q_prime(numbers<T>(random, nr * (terms - 1), 1)) {}

  // ⟨F_n, G_n⟩ of a pair of units by section 11, term by term; of hidden units without q and κ.
  double of_degree(std::size_t n, std::size_t i, std::size_t j, bool gated) const {
    const double r = rho[i * nr + j];
    const double own = p[(n - 2) * mr + i], other = p_prime[(n - 2) * nr + j];
    const auto order = static_cast<double>(n);
    double sum = own * other * std::pow(r, order);
    if (!gated) return sum;
    // The kernels are given √n q_(n−1).
    const double root = std::sqrt(order);
    const double gate = q[(n - 2) * mr + i] / root, other_gate = q_prime[(n - 2) * nr + j] / root;
    const double before = std::pow(r, order - 1), k = kappa[i * nr + j], l = kappa_prime[i * nr + j];
    sum += (k * gate * root * other + l * root * own * other_gate + nu[i * nr + j] * gate * other_gate) * before;
    return sum + k * l * std::pow(r, order - 2) * (order - 1) * gate * other_gate;
  }
};

template <class T>
void check_series(const MicroKernels<T>& kernels, Random& random, std::size_t terms, bool gated) {
  const Drawn<T> drawn(random, kernels, terms);
  const auto lanes = static_cast<std::size_t>(kernels.lanes), size = drawn.mr * drawn.nr;
  AlignedBuffer<double> sums(2 * lanes);
  AlignedBuffer<T> values(size), again(size);
  std::fill(sums.data(), sums.data() + 2 * lanes, 0.25);
  HermiteTile<T> tile{drawn.rho.data(),
                      drawn.kappa.data(),
                      drawn.kappa_prime.data(),
                      drawn.nu.data(),
                      {drawn.p.data(), drawn.q.data(), static_cast<std::ptrdiff_t>(drawn.mr)},
                      {drawn.p_prime.data(), drawn.q_prime.data(), static_cast<std::ptrdiff_t>(drawn.nr)},
                      terms,
                      values.data(),
                      drawn.weights.data(),
                      sums.data()};
  (gated ? kernels.gated : kernels.hidden)(tile);
  tile.values = again.data();
  tile.weights = nullptr;
  (gated ? kernels.gated : kernels.hidden)(tile);
  double quadratic = 0, higher = 0, magnitude = 1;
  for (std::size_t i = 0; i < drawn.mr; ++i) {
    for (std::size_t j = 0; j < drawn.nr; ++j) {
      const double weight = drawn.weights[i * drawn.nr + j], second = drawn.of_degree(2, i, j, gated);
      double rest = 0, pair_magnitude = 30 * std::abs(second) + 30;
      for (std::size_t n = 3; n <= terms; ++n) {
        const double term = drawn.of_degree(n, i, j, gated);
        rest += term;
        pair_magnitude += std::abs(term);
      }
      CHECK(values[i * drawn.nr + j] == again[i * drawn.nr + j]);
      CHECK_CLOSE(static_cast<double>(values[i * drawn.nr + j]), second + rest,
                  (static_cast<double>(terms) + 10) * kUnit<T>, pair_magnitude);
      quadratic += weight * second;
      higher += weight * rest;
      magnitude += std::abs(weight) * pair_magnitude;
    }
  }
  double found[2] = {0, 0};
  for (std::size_t at = 0; at < 2 * lanes; ++at) found[at / lanes] += sums[at] - 0.25;
  CHECK_CLOSE(found[0], quadratic, 20 * kUnit<T>, magnitude);
  CHECK_CLOSE(found[1], higher, (static_cast<double>(terms) + 20) * kUnit<T>, magnitude);
}

// A side without gates gives one row of zeros: the same as a whole panel of them, to the bit.
template <class T>
void check_without_gate(const MicroKernels<T>& kernels, Random& random) {
  Drawn<T> drawn(random, kernels, 9);
  const AlignedBuffer<T> zeros = AlignedBuffer<T>::zeros(drawn.nr);
  std::fill(drawn.q_prime.data(), drawn.q_prime.data() + drawn.q_prime.size(), T(0));
  const std::size_t size = drawn.mr * drawn.nr;
  AlignedBuffer<T> values[2] = {AlignedBuffer<T>(size), AlignedBuffer<T>(size)};
  for (std::size_t which = 0; which < 2; ++which) {
    kernels.gated({drawn.rho.data(),
                   drawn.kappa.data(),
                   drawn.kappa_prime.data(),
                   drawn.nu.data(),
                   {drawn.p.data(), drawn.q.data(), static_cast<std::ptrdiff_t>(drawn.mr)},
                   {drawn.p_prime.data(), which == 0 ? drawn.q_prime.data() : zeros.data(),
                    which == 0 ? static_cast<std::ptrdiff_t>(drawn.nr) : 0},
                   drawn.terms,
                   values[which].data(),
                   nullptr,
                   nullptr});
  }
  for (std::size_t at = 0; at < size; ++at) CHECK(values[0][at] == values[1][at]);
}

template <class T>
void check_weighing(const MicroKernels<T>& kernels, Random& random, std::size_t units, std::size_t outputs) {
  const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr),
             lanes = static_cast<std::size_t>(kernels.lanes);
  const auto values = numbers<T>(random, units * nr, 1), rows = numbers<T>(random, mr * units, 1),
             columns = numbers<T>(random, nr * outputs, 1);
  AlignedBuffer<double> sums = AlignedBuffer<double>::zeros(lanes * outputs + lanes);
  sums[lanes * outputs] = 17;
  kernels.weigh(units, rows.data(), values.data(), columns.data(), outputs, sums.data(), nullptr);
  const std::vector<double> once(sums.data(), sums.data() + sums.size());
  kernels.weigh(units, rows.data(), values.data(), columns.data(), outputs, sums.data(), values.data());
  for (std::size_t c = 0; c < outputs; ++c) {
    double wanted = 0, found = 0, magnitude = 1;
    for (std::size_t i = 0; i < units; ++i) {
      for (std::size_t j = 0; j < nr; ++j) {
        const double term = static_cast<double>(rows[i * mr + c]) * static_cast<double>(values[i * nr + j]) *
                            static_cast<double>(columns[c * nr + j]);
        wanted += term;
        magnitude += std::abs(term);
      }
    }
    for (std::size_t at = c * lanes; at < (c + 1) * lanes; ++at) {
      found += once[at];
      CHECK_CLOSE(sums[at], 2 * once[at], kUnit<double>, 50 * magnitude);
    }
    CHECK_CLOSE(found, wanted, 20 * kUnit<T>, magnitude);
  }
  CHECK(sums[lanes * outputs] == 17);
}

// A whole tile: what `gemm` gives, to the bit, whatever is fetched meanwhile.
template <class T>
void check_tile(const MicroKernels<T>& kernels, Random& random, std::size_t depth) {
  const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr), size = mr * nr;
  const auto rows = numbers<T>(random, mr * depth, 1), columns = numbers<T>(random, nr * depth, 1);
  for (const bool overwrite : {true, false}) {
    auto wanted = numbers<T>(random, size, 1);
    AlignedBuffer<T> found[2] = {AlignedBuffer<T>(size), AlignedBuffer<T>(size)};
    for (auto& tile : found) std::copy(wanted.data(), wanted.data() + size, tile.data());
    kernels.gemm(depth, rows.data(), columns.data(), {wanted.data(), kernels.nr, 1, kernels.mr, kernels.nr, overwrite});
    kernels.tile(depth, rows.data(), columns.data(), found[0].data(), overwrite, nullptr);
    kernels.tile(depth, rows.data(), columns.data(), found[1].data(), overwrite, columns.data());
    for (std::size_t at = 0; at < size; ++at) CHECK(found[0][at] == wanted[at] && found[1][at] == wanted[at]);
  }
}

template <class T>
void check_largest(const MicroKernels<T>& kernels, Random& random) {
  const auto size = static_cast<std::size_t>(kernels.mr * kernels.nr);
  for (std::size_t at = 0; at < size; ++at) {
    AlignedBuffer<T> tile = numbers<T>(random, size, 0.5);
    tile[at] = at % 2 == 0 ? T(0.75) : T(-0.75);
    CHECK(kernels.largest(tile.data()) == T(0.75));
  }
}

template <class T>
void check_all(const Context& context) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  Random random(5);
  for (std::size_t terms : {2, 3, 4, 7, 16, 33, 64}) {
    check_series(kernels, random, terms, false);
    check_series(kernels, random, terms, true);
  }
  check_without_gate(kernels, random);
  for (std::size_t units : {1, 4, 96}) {
    for (int outputs = 1; outputs <= kernels.mr; ++outputs) {
      check_weighing(kernels, random, units, static_cast<std::size_t>(outputs));
    }
  }
  for (std::size_t depth : {1, 3, 4, 9}) check_tile(kernels, random, depth);
  check_largest(kernels, random);
}

}  // namespace

TEST(hermite_series_of_a_micro_tile_agree_with_a_plain_loop) {
  on_every_kernel([](const Context& context) {
    check_all<double>(context);
    check_all<float>(context);
  });
}

}  // namespace tensim::test
