#include "similarity/low_rank.h"

#include <cstdint>
#include <cstring>
#include <limits>

#include "check.h"

namespace tensim::test {
namespace {

// Numbers as a file has them, and what they are.
struct Stored {
  std::vector<unsigned char> bytes;
  std::vector<double> values;
};

std::uint16_t half_bits(int exponent, unsigned fraction, bool negative) {
  return static_cast<std::uint16_t>((negative ? 0x8000u : 0u) | static_cast<unsigned>(exponent + 15) << 10 | fraction);
}

Stored draw(Random& random, NumberFormat format, std::size_t count, double scale) {
  Stored stored;
  stored.values = random.vector<double>(count);
  stored.bytes.resize(count * bytes_of(format));
  for (std::size_t i = 0; i < count; ++i) {
    double& value = stored.values[i];
    value *= scale;
    unsigned char* at = stored.bytes.data() + i * bytes_of(format);
    if (format == NumberFormat::kFloat64) {
      std::memcpy(at, &value, 8);
    } else if (format == NumberFormat::kFloat16) {
      // Normal and subnormal ones by turns, of 2^-14 and less.
      const bool normal = i % 3 != 0;
      const auto fraction = static_cast<unsigned>(i * 37 % 1024);
      const std::uint16_t bits = half_bits(normal ? static_cast<int>(i % 5) - 3 : -15, fraction, value < 0);
      std::memcpy(at, &bits, 2);
      value = std::copysign(
          normal ? std::ldexp(1 + fraction / 1024.0, static_cast<int>(i % 5) - 3) : std::ldexp(fraction, -24), value);
    } else {
      const float single = static_cast<float>(value);
      std::uint32_t bits;
      std::memcpy(&bits, &single, 4);
      if (format == NumberFormat::kBFloat16) bits &= 0xffff0000u;
      float kept;
      std::memcpy(&kept, &bits, 4);
      value = static_cast<double>(kept);
      const auto upper = static_cast<std::uint16_t>(bits >> 16);
      format == NumberFormat::kBFloat16 ? std::memcpy(at, &upper, 2) : std::memcpy(at, &bits, 4);
    }
  }
  return stored;
}

struct Side {
  Stored a, b;
  std::vector<double> weights;
  LowRankMatrices matrices;

  Side(Random& random, std::size_t count, std::size_t rank, std::size_t inputs, std::size_t outputs,
       NumberFormat format, bool rank_last, double scale = 1)
      : a(draw(random, format, count * rank * inputs, scale)),
        b(draw(random, format, count * rank * outputs, 1 / scale)),
        weights(random.vector<double>(count * rank)),
        matrices{count,
                 rank,
                 {a.bytes.data(), format, inputs, rank_last},
                 {b.bytes.data(), format, outputs, !rank_last},
                 weights.data()} {}

  // The matrices from one on, without those before.
  LowRankMatrices from(std::size_t first) const {
    LowRankMatrices part = matrices;
    const std::size_t row = first * part.rank;
    part.count -= first;
    part.weights += row;
    part.a.data = a.bytes.data() + row * part.a.depth * bytes_of(part.a.format);
    part.b.data = b.bytes.data() + row * part.b.depth * bytes_of(part.b.format);
    return part;
  }
};

double element(const StoredFactors& factors, const Stored& stored, std::size_t rank, std::size_t i, std::size_t k,
               std::size_t d) {
  const std::size_t at = factors.rank_last ? d * rank + k : k * factors.depth + d;
  return stored.values[i * rank * factors.depth + at];
}

// The inner product of two matrices multiplied out, and the product of their norms.
std::pair<double, double> dense(const Side& one, std::size_t i, const Side& other, std::size_t j) {
  double product = 0, first = 0, second = 0;
  const LowRankMatrices &p = one.matrices, &q = other.matrices;
  for (std::size_t y = 0; y < p.b.depth; ++y) {
    for (std::size_t x = 0; x < p.a.depth; ++x) {
      double u = 0, v = 0;
      for (std::size_t k = 0; k < p.rank; ++k) {
        u += one.weights[i * p.rank + k] * element(p.a, one.a, p.rank, i, k, x) * element(p.b, one.b, p.rank, i, k, y);
      }
      for (std::size_t l = 0; l < q.rank; ++l) {
        v += other.weights[j * q.rank + l] * element(q.a, other.a, q.rank, j, l, x) *
             element(q.b, other.b, q.rank, j, l, y);
      }
      product += u * v;
      first += u * u;
      second += v * v;
    }
  }
  return {product, std::sqrt(first * second)};
}

template <class T>
void check_products(const Context& context, const Side& one, const Side& other, bool symmetric) {
  const std::size_t rows = one.matrices.count, columns = other.matrices.count;
  std::vector<double> products(rows * columns);
  low_rank_products<T>(context, one.matrices, other.matrices, symmetric, products.data());
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      const auto [expected, size] = dense(one, i, other, j);
      if (symmetric && j < i) {
        CHECK(products[i * columns + j] == 0);
      } else {
        CHECK_CLOSE(products[i * columns + j], expected, sizeof(T) == 8 ? 1e-14 : 1e-6, 20 * size);
      }
    }
  }
}

constexpr NumberFormat kFormats[] = {NumberFormat::kFloat64, NumberFormat::kFloat32, NumberFormat::kFloat16,
                                     NumberFormat::kBFloat16};

}  // namespace

TEST(low_rank_products_are_those_of_what_is_multiplied_out) {
  on_every_kernel([](const Context& context) {
    Random random(5);
    for (const NumberFormat format : kFormats) {
      for (const bool rank_last : {false, true}) {
        const Side one(random, 9, 5, 13, 8, format, rank_last), other(random, 4, 3, 13, 8, format, !rank_last);
        check_products<double>(context, one, one, true);
        check_products<float>(context, one, one, true);
        check_products<double>(context, one, other, false);
        check_products<float>(context, one, other, false);
      }
    }
    // More rows than a task has, of one matrix; bfloat16 with what is not.
    const Side large(random, 2, 230, 3, 9, NumberFormat::kBFloat16, false);
    const Side small(random, 3, 1, 3, 9, NumberFormat::kFloat32, false);
    check_products<float>(context, large, large, true);
    check_products<float>(context, large, small, false);
    check_products<double>(context, small, large, false);
  });
}

TEST(low_rank_products_do_not_depend_on_where_matrices_lie) {
  on_every_kernel([](const Context& context) {
    Random random(6);
    for (const NumberFormat format : {NumberFormat::kFloat32, NumberFormat::kBFloat16}) {
      const std::size_t count = 60;
      const Side side(random, count, 7, 300, 170, format, false);
      std::vector<double> all(count * count), later((count - 5) * (count - 5)), wide((count - 5) * count);
      low_rank_products<float>(context, side.matrices, side.matrices, true, all.data());
      low_rank_products<float>(context, side.from(5), side.from(5), true, later.data());
      low_rank_products<float>(context, side.from(5), side.matrices, false, wide.data());
      for (std::size_t i = 5; i < count; ++i) {
        for (std::size_t j = i; j < count; ++j) {
          CHECK(all[i * count + j] == later[(i - 5) * (count - 5) + j - 5]);
          CHECK(all[i * count + j] == wide[(i - 5) * count + j]);
        }
      }
    }
  });
}

TEST(low_rank_products_keep_the_range_of_double) {
  on_every_kernel([](const Context& context) {
    Random random(7);
    // Squares of these are beyond float32, below and above; of bfloat16 they are subnormal.
    for (const double scale : {1e-30, 1e30, 1e-39}) {
      for (const NumberFormat format : {NumberFormat::kFloat32, NumberFormat::kBFloat16}) {
        if (scale == 1e-39 && format == NumberFormat::kFloat32) continue;
        Side side(random, 5, 4, 33, 20, format, false, scale);
        if (scale == 1e-39) side = Side(random, 5, 4, 33, 20, format, true, scale * 64);
        check_products<float>(context, side, side, true);
      }
    }
  });
}

TEST(low_rank_products_of_what_is_no_number_stay_with_it) {
  on_every_kernel([](const Context& context) {
    Random random(8);
    for (const NumberFormat format : {NumberFormat::kFloat32, NumberFormat::kBFloat16}) {
      Side side(random, 7, 3, 10, 6, format, false);
      const std::uint32_t infinite = 0x7f800000u;
      const std::uint16_t upper = 0x7f80u;
      unsigned char* at = side.a.bytes.data() + (3 * 3 * 10 + 4) * bytes_of(format);
      format == NumberFormat::kFloat32 ? std::memcpy(at, &infinite, 4) : std::memcpy(at, &upper, 2);
      std::vector<double> products(49);
      low_rank_products<float>(context, side.matrices, side.matrices, true, products.data());
      for (std::size_t i = 0; i < 7; ++i) {
        for (std::size_t j = i; j < 7; ++j) CHECK(std::isfinite(products[i * 7 + j]) == (i != 3 && j != 3));
      }
    }
  });
}

}  // namespace tensim::test
