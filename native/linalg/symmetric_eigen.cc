#include "symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "../core/aligned_buffer.h"
#include "../core/error.h"
#include "tridiagonal.h"

namespace tensim {
namespace {

// Sweeps that an eigenvalue may take. Two are usual.
constexpr int kMostSweeps = 60;

// A rotation of the columns (index, index + 1).
struct Rotation {
  std::size_t index;
  double cosine, sine;
};

// One QL sweep over the block low … high, with the eigenvalue nearest to d[low] of the 2×2 block there as its shift.
void sweep(std::vector<double>& d, std::vector<double>& e, std::size_t low, std::size_t high,
           std::vector<Rotation>& rotations) {
  const double half = (d[low + 1] - d[low]) / (2 * e[low]), root = std::sqrt(half * half + 1);
  double g = d[high] - d[low] + e[low] / (half + (half < 0 ? -root : root));
  double c = 1, s = 1, shift = 0;
  for (std::size_t i = high; i-- > low;) {
    const double f = s * e[i], b = c * e[i], r = std::sqrt(f * f + g * g);
    e[i + 1] = r;
    if (r == 0) {  // the block has split by itself: the rest of it waits for the next sweep
      d[i + 1] -= shift;
      e[high] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    const double next = d[i + 1] - shift, turned = (d[i] - next) * s + 2 * c * b;
    shift = s * turned;
    d[i + 1] = next + shift;
    g = c * turned - b;
    rotations.push_back({i, c, s});
  }
  d[low] -= shift;
  e[low] = g;
  e[high] = 0;
}

// Makes the diagonal the eigenvalues and returns the rotations in the order they were made.
std::vector<Rotation> diagonalise(const Context& context, std::vector<double>& d, std::vector<double>& e) {
  std::vector<Rotation> rotations;
  const std::size_t size = d.size();
  double norm = 0;
  for (std::size_t i = 0; i < size; ++i) norm = std::max(norm, std::abs(d[i]) + std::abs(e[i]));
  const double negligible = std::numeric_limits<double>::epsilon() / 2 * norm;
  for (std::size_t low = 0; low < size; ++low) {
    for (int sweeps = 0;; ++sweeps) {
      std::size_t high = low;
      while (high + 1 < size && std::abs(e[high]) > negligible) ++high;
      if (high == low) break;
      if (sweeps == kMostSweeps) throw Error("NOT_FINITE", "the eigenvalues of a matrix did not converge");
      context.control.throw_if_aborted();
      sweep(d, e, low, high, rotations);
    }
  }
  return rotations;
}

// The matrix of a lower triangle divided by a power of two near its largest entry, which is returned: squares neither
// overflow nor vanish.
double scale_into(const double* matrix, std::size_t size, double* target) {
  double largest = 0;
  for (std::size_t i = 0; i < size * size; ++i) {
    if (!std::isfinite(matrix[i])) {
      throw Error("NOT_FINITE", "an entry of a symmetric matrix is not finite: it has no eigenvalues");
    }
    largest = std::max(largest, std::abs(matrix[i]));
  }
  const double scale = largest == 0 ? 1 : std::ldexp(1.0, std::clamp(std::ilogb(largest), -1000, 1000));
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j <= i; ++j) target[i * size + j] = target[j * size + i] = matrix[i * size + j] / scale;
  }
  return scale;
}

}  // namespace

EigenPairs symmetric_eigen(const Context& context, const double* matrices, std::size_t count, std::size_t size,
                           std::size_t wanted) {
  const std::size_t square = size * size;
  EigenPairs pairs{std::vector<double>(count * size), std::vector<double>(count * wanted * size)};
  // The flops of the reduction, Σ 6i²; all else is small beside it.
  context.control.expect(count * (size == 0 ? 0 : (size - 1) * size * (2 * size - 1)));
  context.parallel_for(count, [&](std::size_t m) {
    AlignedBuffer<double> work(square);
    const double scale = scale_into(matrices + m * square, size, work.data());
    Tridiagonal reduced(context, work.data(), size);
    const std::vector<Rotation> rotations = diagonalise(context, reduced.diagonal, reduced.off_diagonal);
    const std::vector<double>& d = reduced.diagonal;
    std::vector<std::size_t> order(size);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t i, std::size_t j) { return std::abs(d[i]) > std::abs(d[j]); });
    for (std::size_t rank = 0; rank < size; ++rank) pairs.values[m * size + rank] = scale * d[order[rank]];
    for (std::size_t rank = 0; rank < wanted; ++rank) {
      context.control.throw_if_aborted();
      double* x = pairs.vectors.data() + (m * wanted + rank) * size;
      x[order[rank]] = 1;
      for (std::size_t k = rotations.size(); k-- > 0;) {
        const auto [i, c, s] = rotations[k];
        const double upper = x[i], lower = x[i + 1];
        x[i] = c * upper + s * lower;
        x[i + 1] = c * lower - s * upper;
      }
      reduced.reflect_back(x);
    }
  });
  return pairs;
}

}  // namespace tensim
