// Weights that go to a device in as few bytes as hold them (native/addon/cuda/narrowed.h), and the kernel that widens
// them there (native/cuda/units/numbers.h).
#include "addon/cuda/narrowed.h"

#include <array>
#include <cstring>
#include <limits>

#include "addon/cuda/units.h"
#include "check.h"
#include "cuda/host_device.h"
#include "cuda/units/numbers.h"
#include "emulated_cuda.h"
#include "similarity/hidden_tile.h"

namespace tensim::test {
namespace {

using cuda::HostDevice;
using cuda::NumbersKernel;
using cuda::ThreadOrder;
using Kind = ActivationKind;

// The number that a pattern of so many bits stands for, by its definition. Of E4M3 the largest pattern alone is none.
struct Small {
  unsigned exponent, fraction;
  bool finite = false;

  double number(unsigned bits) const {
    const unsigned size = bits & ((1u << (exponent + fraction)) - 1);
    const double sign = (bits >> (exponent + fraction)) == 0 ? 1 : -1;
    const unsigned e = size >> fraction, f = size & ((1u << fraction) - 1);
    const int bias = (1 << (exponent - 1)) - 1;
    const bool special = finite ? size == (1u << (exponent + fraction)) - 1 : e == (1u << exponent) - 1;
    if (special) return f == 0 ? sign * HUGE_VAL : std::numeric_limits<double>::quiet_NaN();
    const int shift = -bias - static_cast<int>(fraction);
    if (e == 0) return sign * std::ldexp(f, 1 + shift);
    return sign * std::ldexp(f + (1u << fraction), static_cast<int>(e) + shift);
  }
  // All finite ones.
  std::vector<double> all() const {
    std::vector<double> numbers;
    for (unsigned bits = 0; bits < 1u << (1 + exponent + fraction); ++bits) {
      if (std::isfinite(number(bits))) numbers.push_back(number(bits));
    }
    return numbers;
  }
};
constexpr Small kFloat16{5, 10}, kBfloat16{8, 7}, kE4m3{4, 3, true}, kE5m2{5, 2};

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

std::vector<double> widened(const TensimCudaNumbers& numbers, std::size_t rows, std::size_t columns) {
  HostDevice& device = HostDevice::at(0);
  std::vector<double> result;
  for (ThreadOrder order : {ThreadOrder::kForward, ThreadOrder::kBackward}) {
    device.order = order;
    const auto values = cuda::numbers_on(device, numbers, rows, columns).download(device, device.moment());
    device.order = ThreadOrder::kForward;
    const std::vector<double> found(values.data(), values.data() + rows * columns);
    CHECK(result.empty() || same_bits(result, found));
    result = found;
  }
  return result;
}

// A matrix of numbers drawn from those that there are, times a scale for each block, rounded to floats as readers of
// such weights do.
std::vector<double> drawn(Random& random, const std::vector<double>& numbers, std::size_t rows, std::size_t columns,
                          std::size_t block_rows = 0, std::size_t block_columns = 0) {
  std::vector<double> matrix(rows * columns);
  std::vector<double> scales(rows * columns + 1);
  for (double& scale : scales) scale = 0.01 + std::abs(random.number());
  for (std::size_t at = 0; at < matrix.size(); ++at) {
    matrix[at] = at < numbers.size() ? numbers[at] : numbers[random.index(numbers.size())];
    if (block_rows == 0) continue;
    const std::size_t block = at / columns / block_rows * columns + at % columns / block_columns;
    matrix[at] = static_cast<double>(static_cast<float>(static_cast<float>(scales[block]) * matrix[at]));
  }
  return matrix;
}

// What goes to the device is of this format, and the same numbers to the bit when it is widened.
void check_format(const std::vector<double>& matrix, std::size_t columns, const std::vector<double>& factors,
                  TensimCudaFormat format, std::size_t block_rows = 0) {
  Alone alone;
  const std::size_t rows = matrix.size() / columns;
  const Narrowed narrowed(alone.context, MatrixView::row_major(matrix.data(), rows, columns), factors);
  CHECK(narrowed.there() && narrowed.numbers().format == format && narrowed.numbers().block_rows == block_rows);
  CHECK(same_bits(widened(narrowed.numbers(), rows, columns), matrix));
}

bool stays_wide(const std::vector<double>& matrix, std::size_t columns, const std::vector<double>& factors = {}) {
  Alone alone;
  return !Narrowed(alone.context, MatrixView::row_major(matrix.data(), matrix.size() / columns, columns), factors)
              .there();
}

std::vector<double> times(std::vector<double> matrix, const std::vector<double>& factors) {
  for (std::size_t at = 0; at < matrix.size(); ++at) matrix[at] *= factors[at % factors.size()];
  return matrix;
}

}  // namespace

TEST(cuda_numbers_of_sixteen_bits_are_widened_as_they_are_defined) {
  std::vector<std::uint16_t> patterns(65536);
  for (std::size_t bits = 0; bits < patterns.size(); ++bits) patterns[bits] = static_cast<std::uint16_t>(bits);
  for (const auto& [format, type] : {std::pair(TENSIM_CUDA_FLOAT16, kFloat16), {TENSIM_CUDA_BFLOAT16, kBfloat16}}) {
    TensimCudaNumbers numbers{};
    numbers.format = format;
    numbers.data = patterns.data();
    const std::vector<double> found = widened(numbers, 256, 256);
    for (unsigned bits = 0; bits < 65536; ++bits) {
      const double wanted = type.number(bits);
      CHECK(std::isnan(wanted) ? std::isnan(found[bits]) : std::memcmp(&found[bits], &wanted, sizeof wanted) == 0);
    }
  }
}

TEST(cuda_numbers_go_to_the_device_in_the_bytes_that_they_were_stored_in) {
  Random random(1);
  // Every number of sixteen bits is among them, subnormal ones and both zeros.
  check_format(drawn(random, kBfloat16.all(), 300, 260), 260, {}, TENSIM_CUDA_BFLOAT16);
  check_format(drawn(random, kFloat16.all(), 300, 260), 260, {}, TENSIM_CUDA_FLOAT16);
  const std::vector<float> floats = random.vector<float>(1000);
  check_format(drawn(random, {floats.begin(), floats.end()}, 70, 130), 130, {}, TENSIM_CUDA_FLOAT32);
  for (const Small& small : {kE4m3, kE5m2}) {
    check_format(drawn(random, small.all(), 130, 300), 300, {}, TENSIM_CUDA_CODES, 64);
    check_format(drawn(random, small.all(), 130, 300, 1000, 1000), 300, {}, TENSIM_CUDA_CODES, 64);
    check_format(drawn(random, small.all(), 9, 3000, 1, 3000), 3000, {}, TENSIM_CUDA_CODES, 1);
    // A part of the units may begin within a block of scales.
    const std::vector<double> blocks = drawn(random, small.all(), 256, 384, 128, 128);
    check_format({blocks.begin() + 64 * 384, blocks.end()}, 384, {}, TENSIM_CUDA_CODES, 64);
  }
}

TEST(cuda_numbers_behind_a_gain_go_without_it) {
  Random random(2);
  const std::vector<double> stored = drawn(random, kBfloat16.all(), 300, 260);
  std::vector<double> gain = random.vector<double>(260);
  gain[3] = 0;
  gain[7] = 1;
  // Products of the largest and the smallest with some of these are rounded, and all come back.
  check_format(times(stored, gain), 260, gain, TENSIM_CUDA_BFLOAT16);
  // One that is none of the products stays what it is.
  std::vector<double> other = times(stored, gain);
  other[500] = std::nextafter(other[500], 1.0);
  CHECK(stays_wide(other, 260, gain));
  other = times(stored, gain);
  other[3] = 1;
  CHECK(stays_wide(other, 260, gain));
}

TEST(cuda_numbers_that_no_format_holds_stay_doubles) {
  Random random(3);
  CHECK(stays_wide(random.vector<double>(200), 20));
  for (double odd : {HUGE_VAL, -HUGE_VAL, std::numeric_limits<double>::quiet_NaN(), 1e300, 1e-300, 0.1}) {
    std::vector<double> matrix = drawn(random, kBfloat16.all(), 300, 260);
    matrix[777] = odd;
    CHECK(stays_wide(matrix, 260));
  }
  CHECK(stays_wide({}, 3));
}

namespace {

struct Weights {
  std::vector<double> weight, up, down, gain;
};

// A chain of one block of units, and its twin whose weights are widened on the host.
std::array<FoldedUnits, 2> folded_twins(const Context& context, const Weights& weights, std::size_t inputs,
                                        std::size_t outputs, Kind kind, bool gated) {
  const std::size_t units = weights.weight.size() / inputs;
  const auto matrix = [](const std::vector<double>& values, std::size_t columns) {
    return MatrixView::row_major(values.data(), values.size() / columns, columns);
  };
  ChainView chain;
  chain.inputs = inputs;
  if (!weights.gain.empty()) chain.gain = MatrixView::row_major(weights.gain.data(), inputs, 1);
  if (gated) {
    GatedView layer;
    layer.gate = matrix(weights.weight, inputs);
    layer.up = matrix(weights.up, inputs);
    layer.down = matrix(weights.down, units);
    layer.activation = {kind, 0};
    chain.layers.emplace_back(layer);
  } else {
    HiddenView layer;
    layer.weight = matrix(weights.weight, inputs);
    layer.down = matrix(weights.down, units);
    layer.activation = {kind, 0};
    chain.layers.emplace_back(layer);
  }
  std::array<FoldedUnits, 2> twins{fold_units(context, chain), fold_units(context, chain)};
  CHECK(outputs == twins[0].outputs && !absent(twins[0].given.weight) && !absent(twins[0].given.down));
  twins[1].given = {};
  return twins;
}

bool same(const GramTile& a, const GramTile& b) {
  return a.total == b.total && a.per_output == b.per_output && a.per_degree == b.per_degree && a.bound == b.bound;
}

// Products of models whose weights are widened on the device have the bits of those that are widened here.
// @return the part of the bytes of doubles that the weights took.
template <class T>
double check_twins(const std::vector<double>& numbers, bool scaled, Kind kind, bool gated, bool gain) {
  Alone alone;
  Random random(5);
  constexpr std::size_t kInputs = 128, kOutputs = 64, kUnits = 128;
  std::vector<Weights> weights(2);
  std::vector<FoldedUnits> narrow, wide;
  for (Weights& own : weights) {
    const std::size_t block = scaled ? 128 : 0;
    own.weight = drawn(random, numbers, kUnits, kInputs, block, block);
    own.up = drawn(random, numbers, kUnits, kInputs, block, block);
    own.down = drawn(random, numbers, kOutputs, kUnits, block, block);
    std::fill_n(own.weight.begin() + 5 * kInputs, kInputs, -0.0);  // a unit that is constant
    if (gain) {
      own.gain = random.vector<double>(kInputs);
      own.weight = times(own.weight, own.gain);
      own.up = times(own.up, own.gain);
    }
    auto twins = folded_twins(alone.context, own, kInputs, kOutputs, kind, gated);
    narrow.push_back(std::move(twins[0]));
    wide.push_back(std::move(twins[1]));
  }
  std::array<std::vector<CudaUnitsPointer>, 2> models;
  std::array<double, 2> bytes{};
  for (std::size_t way : {0, 1}) {
    const std::uint64_t before = HostDevice::at(0).uploaded;
    for (const FoldedUnits& units : way == 0 ? narrow : wide) {
      models[way].push_back(prepare_cuda_units(alone.context, api(), 0, DTypeOf<T>::value, units, 1));
    }
    bytes[way] = static_cast<double>(HostDevice::at(0).uploaded - before);
  }
  const GramJob job{Measure::kGaussian, true, true, true};
  const auto tile = [&](std::size_t way) {
    return cuda_units_tile(alone.context, api(), job, pointers(models[way]), pointers(models[way]));
  };
  const GramTile found = tile(0);
  CHECK(found.total[0] > 0 && found.total[1] != 0 && same(found, tile(1)));
  const double doubles = 2 * 8.0 * kUnits * ((gated ? 2 : 1) * kInputs + kOutputs);
  return (doubles - (bytes[1] - bytes[0])) / doubles;
}

}  // namespace

TEST(cuda_units_of_stored_weights_have_the_bits_of_widened_ones_and_take_a_part_of_the_bytes) {
  std::vector<double> brains, halves;
  Random random(4);
  // Of 8 bits and of 9, some of them subnormal numbers of float16.
  for (int i = 0; i < 4000; ++i) {
    const double value = random.number();
    const int shift = -(i % 16);
    brains.push_back(std::ldexp(std::nearbyint(value * 0x1p7), shift - 7));
    halves.push_back(std::ldexp(std::nearbyint(value * 0x1p8), shift - 8));
  }
  // Beside the weights their lengths, gains and tables go.
  const auto check = [](double found, double part) {
    if (emulated()) CHECK_CLOSE(found, 1.15 * part, 0.15, part);
  };
  check(check_twins<double>(brains, false, Kind::kGelu, false, false), 0.25);
  check(check_twins<double>(halves, false, Kind::kRelu, false, true), 0.25);
  check(check_twins<double>(halves, false, Kind::kSilu, true, false), 0.25);
  check(check_twins<float>(brains, false, Kind::kSilu, true, true), 0.25);
  check(check_twins<double>(kE4m3.all(), true, Kind::kSilu, true, false), 0.125);
  std::vector<double> small = kE5m2.all();
  for (double& number : small) number *= 0x1p-12;
  check(check_twins<float>(small, true, Kind::kRelu, true, true), 0.125);
}

TEST(cuda_units_go_as_doubles_where_they_were_multiplied_into_something) {
  Alone alone;
  Random random(6);
  const std::vector<double> weight = drawn(random, kE4m3.all(), 6, 5), down = drawn(random, kE4m3.all(), 4, 6),
                            linear = drawn(random, kE4m3.all(), 5, 5), gain(5, 0.5);
  LinearView before, behind;
  before.weight = MatrixView::row_major(linear.data(), 5, 5);
  behind.weight = MatrixView::row_major(linear.data(), 5, 4);
  HiddenView layer;
  layer.weight = MatrixView::row_major(weight.data(), 6, 5);
  layer.down = MatrixView::row_major(down.data(), 4, 6);
  layer.activation = {Kind::kRelu, 0};
  HiddenView scaled = layer;
  scaled.beta = 0.7;
  const auto given = [&](const std::vector<LayerView>& layers, double sigma = 1) {
    ChainView chain{layers, {}, 5, 1, MatrixView::row_major(gain.data(), 5, 1)};
    chain.law.sigma = sigma;
    const FoldedUnits::Given found = fold_units(alone.context, chain).given;
    CHECK(absent(found.gain) == absent(found.weight) && found.lengths.size() == 6 && found.powers == found.lengths);
    return std::array<const void*, 2>{found.weight.data, found.down.data};
  };
  using Data = std::array<const void*, 2>;
  CHECK((given({layer}) == Data{weight.data(), down.data()}));
  CHECK((given({before, layer}) == Data{nullptr, down.data()}));
  CHECK((given({layer}, 2) == Data{nullptr, down.data()}));
  CHECK((given({layer, behind}) == Data{weight.data(), nullptr}));
  CHECK((given({scaled}) == Data{weight.data(), nullptr}));
}

}  // namespace tensim::test
