// Products in one pass of TF32: what the device makes of factors rounded to 11 bits, under the emulation of
// native/cuda/grid.h or on a GPU (emulated_cuda.h).
#include <limits>

#include "addon/cuda/units.h"
#include "chain.h"
#include "cuda/host_device.h"
#include "emulated_cuda.h"
#include "forward_network.h"
#include "similarity/gram_tile.h"
#include "similarity/hidden_tile.h"
#include "units.h"

namespace tensim::test {
namespace {

using cuda::HostDevice;
using cuda::ThreadOrder;

const CudaType kExact(DType::kFloat32), kTf32(DType::kFloat32, true);

// What a product of two vectors is off by at most, of their norms: both factors of a term are rounded to 11 bits.
constexpr double kBound = 1.0 / 1024;
// What sums of float32 add to it.
constexpr double kSums = 2e-6;

// To 11 bits, to the nearest, and halves away from zero.
double rounded(double x) {
  int exponent = 0;
  const double significand = std::frexp(x, &exponent);
  return std::ldexp(std::round(std::ldexp(significand, 11)), exponent - 11);
}

double dot(const std::vector<float>& a, const std::vector<float>& b, bool round) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    const double x = static_cast<double>(a[k]), y = static_cast<double>(b[k]);
    sum += round ? rounded(x) * rounded(y) : x * y;
  }
  return sum;
}

// f both ways through the threads of every phase.
template <class F>
void both_ways(const F& f) {
  for (const ThreadOrder order : {ThreadOrder::kForward, ThreadOrder::kBackward}) {
    HostDevice::at(0).order = order;
    f();
  }
  HostDevice::at(0).order = ThreadOrder::kForward;
}

// Of blocks without biases whose factors are rounded, if asked for.
struct Blocks {
  std::size_t inputs, units, outputs;
  std::vector<double> left, right, down;

  Blocks(Random& random, std::size_t inputs, std::size_t units, std::size_t outputs)
      : inputs(inputs), units(units), outputs(outputs), down(random.vector<double>(outputs * units)) {
    for (std::vector<double>* factor : {&left, &right}) {
      for (const float x : random.vector<float>(units * inputs)) factor->push_back(static_cast<double>(x));
    }
  }
  Blocks in_tf32() const {
    Blocks result = *this;
    for (std::vector<double>* factor : {&result.left, &result.right}) {
      for (double& x : *factor) x = rounded(x);
    }
    return result;
  }
  ChainView view() const {
    BilinearView layer;
    layer.left = MatrixView::row_major(left.data(), units, inputs);
    layer.right = MatrixView::row_major(right.data(), units, inputs);
    layer.down = MatrixView::row_major(down.data(), outputs, units);
    return {{layer}, {}, inputs};
  }
};

}  // namespace

TEST(cuda_vectors_in_tf32_are_products_of_what_is_rounded) {
  Random random(21);
  // As many as blocks of three shapes have.
  for (const std::size_t count : {2u, 19u, 133u}) {
    const std::size_t length = count == 19 ? 9000 : 120;
    std::vector<std::vector<float>> values;
    std::vector<CudaModelPointer> exact, models;
    for (std::size_t i = 0; i < count; ++i) {
      values.push_back(random.vector<float>(length));
      const std::vector<MatrixView> segments{MatrixView::row_major(values.back().data(), length, 1)};
      exact.push_back(prepare_cuda_features(api(), 0, kExact, segments));
      models.push_back(prepare_cuda_features(api(), 0, kTf32, segments));
    }
    Alone alone;
    const GramJob job{Measure::kGaussian, true, false};
    const GramTile plain = cuda_gram_tile(alone.context, api(), job, pointers(exact), pointers(exact));
    both_ways([&] {
      const GramTile found = cuda_gram_tile(alone.context, api(), job, pointers(models), pointers(models));
      double most = 0;
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t j = i; j < count; ++j) {
          const double size = std::sqrt(dot(values[i], values[i], false) * dot(values[j], values[j], false));
          const double wanted = dot(values[i], values[j], false), own = found.total[i * count + j];
          CHECK_CLOSE(plain.total[i * count + j], wanted, kSums, size);
          CHECK_CLOSE(own, dot(values[i], values[j], true), kSums, size);
          CHECK_CLOSE(own, wanted, kBound, size);
          most = std::max(most, std::abs(own - wanted) / size);
        }
      }
      CHECK(most > 3 * kSums);
    });
  }
}

TEST(cuda_pairs_in_tf32_are_products_of_what_is_rounded) {
  Alone alone;
  Random random(22);
  for (const Route route : {Route::kFactor, Route::kDense}) {
    std::vector<std::unique_ptr<PreparedModel<double>>> on_cpu, of_rounded;
    std::vector<CudaModelPointer> exact, models;
    for (std::size_t i = 0; i < 3; ++i) {
      const Blocks blocks(random, 37, 20 + 30 * i, 3);
      const Blocks short_ones = blocks.in_tf32();
      const QuadraticMap map = fold_one_block(alone.context, blocks.view());
      on_cpu.push_back(std::make_unique<PreparedModel<double>>(prepare<double>(alone.context, map, Route::kFactor)));
      const QuadraticMap other = fold_one_block(alone.context, short_ones.view());
      of_rounded.push_back(
          std::make_unique<PreparedModel<double>>(prepare<double>(alone.context, other, Route::kFactor)));
      exact.push_back(prepare_cuda(alone.context, api(), 0, kExact, map, route, 1));
      models.push_back(prepare_cuda(alone.context, api(), 0, kTf32, map, route, 1));
    }
    const GramJob job{Measure::kTensor, true, true};
    const GramTile wanted = gram_tile<double>(alone.context, job, pointers(on_cpu), pointers(on_cpu));
    const GramTile rounded_ones = gram_tile<double>(alone.context, job, pointers(of_rounded), pointers(of_rounded));
    const GramTile plain = cuda_gram_tile(alone.context, api(), job, pointers(exact), pointers(exact));
    both_ways([&] {
      const GramTile found = cuda_gram_tile(alone.context, api(), job, pointers(models), pointers(models));
      double most = 0;
      for (std::size_t at = 0; at < 9; ++at) {
        const double size = std::sqrt(wanted.total[at / 3 * 4] * wanted.total[at % 3 * 4]);
        CHECK_CLOSE(plain.total[at], wanted.total[at], kSums, size);
        if (route == Route::kFactor) CHECK_CLOSE(found.total[at], rounded_ones.total[at], kSums, size);
        // Of a pair of units two products are multiplied.
        CHECK_CLOSE(found.total[at], wanted.total[at], 2 * kBound, size);
        most = std::max(most, std::abs(found.total[at] - wanted.total[at]) / size);
      }
      CHECK(most > 3 * kSums);
    });
    bool refused = false;
    try {
      cuda_gram_tile(alone.context, api(), {Measure::kTensor, false, false}, {exact[0].get()}, {models[0].get()});
    } catch (const Error& error) {
      refused = std::string(error.code()) == "INVALID_ARGUMENT";
    }
    CHECK(refused);
  }
}

TEST(cuda_units_in_tf32_are_near_those_of_the_cpu) {
  Alone alone;
  Random random(23);
  std::vector<FoldedUnits> folded;
  folded.push_back(draw(random, {20, 40, 3}, ActivationKind::kGelu, false, nullptr));
  folded.push_back(draw(random, {20, 30, 3}, ActivationKind::kRelu, false, &folded.front()));
  folded.push_back(draw(random, {20, 20, 3}, ActivationKind::kSilu, true, &folded.front()));
  std::vector<std::unique_ptr<PreparedHidden<double>>> on_cpu;
  std::vector<CudaUnitsPointer> exact, models;
  for (const FoldedUnits& units : folded) {
    on_cpu.push_back(std::make_unique<PreparedHidden<double>>(prepare_hidden<double>(alone.context, units, 1)));
    exact.push_back(prepare_cuda_units(alone.context, api(), 0, kExact, units, 1));
    models.push_back(prepare_cuda_units(alone.context, api(), 0, kTf32, units, 1));
  }
  const GramJob job{Measure::kGaussian, true, false, false};
  const GramTile wanted = hidden_tile<double>(alone.context, job, pointers(on_cpu), pointers(on_cpu));
  const GramTile plain = cuda_units_tile(alone.context, api(), job, pointers(exact), pointers(exact));
  both_ways([&] {
    const GramTile found = cuda_units_tile(alone.context, api(), job, pointers(models), pointers(models));
    double most = 0;
    for (std::size_t at = 0; at < 9; ++at) {
      const double size = std::sqrt(wanted.total[at / 3 * 4] * wanted.total[at % 3 * 4]);
      CHECK_CLOSE(plain.total[at], wanted.total[at], 1e-5, size);
      CHECK_CLOSE(found.total[at], wanted.total[at], 4 * kBound, size);
      most = std::max(most, std::abs(found.total[at] - wanted.total[at]) / size);
    }
    CHECK(most > 3e-5);
  });
}

TEST(cuda_forward_passes_in_tf32_multiply_what_is_rounded) {
  Alone alone;
  Random random(24);
  Network network(random, 1, 70);
  network.linear(40, false);
  constexpr std::size_t kBatch = 35;
  std::vector<double> x;
  for (const float value : random.vector<float>(kBatch * 70)) x.push_back(static_cast<double>(value));
  const auto& weight = std::get<LinearView>(network.layers.front()).weight;
  both_ways([&] {
    const CudaForwardPointer pass = prepare_cuda_forward(api(), 0, kTf32, network.layers, 1, 70, false);
    std::vector<float> found(kBatch * 40);
    pass->evaluate(alone.context, {column(x), nullptr, kBatch}, found.data());
    double most = 0;
    for (std::size_t at = 0; at < found.size(); ++at) {
      double exact = 0, short_one = 0, size = 0;
      for (std::size_t k = 0; k < 70; ++k) {
        const auto w = static_cast<double>(static_cast<float>(element(weight, at % 40, k)));
        const double value = x[at / 40 * 70 + k];
        exact += w * value;
        short_one += rounded(w) * rounded(value);
        size += std::abs(w * value);
      }
      CHECK_CLOSE(found[at], short_one, kSums, size);
      CHECK_CLOSE(found[at], exact, kBound, size);
      most = std::max(most, std::abs(static_cast<double>(found[at]) - exact) / size);
    }
    CHECK(most > 3 * kSums);
  });

  // What is no number stays none, in whatever bits it comes, and what is infinite does.
  const float nan = cuda::float_of(0x7fffffff), infinity = std::numeric_limits<float>::infinity();
  std::vector<double> odd(3 * 70, 0.0);
  odd[3] = static_cast<double>(nan);
  odd[70 + 3] = static_cast<double>(infinity);
  odd[140 + 3] = static_cast<double>(std::numeric_limits<float>::max());
  const CudaForwardPointer pass = prepare_cuda_forward(api(), 0, kTf32, network.layers, 1, 70, false);
  std::vector<float> found(3 * 40);
  pass->evaluate(alone.context, {column(odd), nullptr, 3}, found.data());
  for (std::size_t c = 0; c < 40; ++c) {
    CHECK(std::isnan(found[c]));
    CHECK(!std::isfinite(found[40 + c]));
  }
}

}  // namespace tensim::test
