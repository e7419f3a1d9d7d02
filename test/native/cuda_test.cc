// The CUDA backend on the host: its kernels under the emulation of native/cuda/grid.h, behind the same interface that
// the library has; or the library itself on a GPU (emulated_cuda.h).
#include "addon/cuda/library.h"
#include "addon/cuda/prepared.h"
#include "check.h"
#include "cuda/host_device.h"
#include "emulated_cuda.h"
#include "similarity/gram_tile.h"

namespace tensim::test {
namespace {

using cuda::HostDevice;
using cuda::LaunchLimits;
using cuda::ThreadOrder;

// f(z) = D((L z + l) ⊙ (R z + r)) + b
struct Chain {
  std::size_t inputs, units, outputs;
  std::vector<double> left, right, left_bias, right_bias, down;

  Chain(Random& random, std::size_t inputs, std::size_t units, std::size_t outputs, bool biased)
      : inputs(inputs),
        units(units),
        outputs(outputs),
        left(random.vector<double>(units * inputs)),
        right(random.vector<double>(units * inputs)),
        left_bias(random.vector<double>(biased ? units : 0)),
        right_bias(random.vector<double>(biased ? units : 0)),
        down(random.vector<double>(outputs * units)) {}

  ChainView view() const {
    static const double nothing = 0;
    const auto matrix = [](const std::vector<double>& values, std::size_t rows, std::size_t columns) {
      return MatrixView::row_major(values.empty() ? &nothing : values.data(), rows, columns);
    };
    BilinearView layer;
    layer.left = matrix(left, units, inputs);
    layer.right = matrix(right, units, inputs);
    if (!left_bias.empty()) layer.left_bias = matrix(left_bias, units, 1);
    if (!right_bias.empty()) layer.right_bias = matrix(right_bias, units, 1);
    layer.down = matrix(down, outputs, units);
    return {{layer}, {}, inputs};
  }
};

template <class T>
void check_route(Route route, std::size_t inputs, std::size_t units, std::size_t outputs, bool biased,
                 double tolerance) {
  Alone alone;
  Random random(static_cast<unsigned>(inputs + 31 * units));
  std::vector<Chain> chains;
  // Of different numbers of units, and one without a part of degree one among others with it.
  for (std::size_t i = 0; i < 3; ++i) chains.emplace_back(random, inputs, units + 20 * i, outputs, biased && i != 0);
  std::vector<std::unique_ptr<PreparedModel<T>>> on_cpu;
  std::vector<CudaModelPointer> on_device;
  for (const Chain& chain : chains) {
    const QuadraticMap map = fold_one_block(alone.context, chain.view());
    on_cpu.push_back(std::make_unique<PreparedModel<T>>(prepare<T>(alone.context, map, route)));
    on_device.push_back(prepare_cuda(alone.context, api(), 0, DTypeOf<T>::value, map, route, 1));
  }
  const auto cpu = pointers(on_cpu);
  const auto device = pointers(on_device);
  for (Measure measure : {Measure::kGaussian, Measure::kTensor}) {
    for (bool symmetric : {true, false}) {
      const GramJob job{measure, symmetric, true};
      const std::size_t columns = symmetric ? 3 : 2;
      const GramTile wanted = gram_tile<T>(alone.context, job, cpu, {cpu.begin(), cpu.begin() + columns});
      const GramTile found =
          cuda_gram_tile(alone.context, api(), job, device, {device.begin(), device.begin() + columns});
      const GramTile norms = gram_tile<T>(alone.context, {measure, true, true}, cpu, cpu);
      CHECK(found.per_output.size() == wanted.per_output.size());
      for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j < columns; ++j) {
          CHECK_CLOSE(found.total[i * columns + j], wanted.total[i * columns + j], tolerance,
                      std::sqrt(norms.total[4 * i] * norms.total[4 * j]));
          if (symmetric) CHECK(found.total[i * 3 + j] == found.total[j * 3 + i]);
          for (std::size_t c = 0; c < outputs; ++c) {
            const std::size_t at = (i * columns + j) * outputs + c;
            CHECK_CLOSE(found.per_output[at], wanted.per_output[at], tolerance,
                        std::sqrt(norms.per_output[4 * i * outputs + c] * norms.per_output[4 * j * outputs + c]));
          }
        }
      }
    }
  }
}

template <class T>
void check_against_cpu(std::size_t inputs, std::size_t units, std::size_t outputs, bool biased, double tolerance) {
  check_route<T>(Route::kFactor, inputs, units, outputs, biased, tolerance);
  check_route<T>(Route::kDense, inputs, units, outputs, biased, tolerance);
}

}  // namespace

TEST(cuda_tiles_agree_with_those_of_the_cpu) {
  // Not one input alone: its form is a single sum of numbers that cancel.
  for (std::size_t inputs : {3u, 37u, 16u}) {
    if (inputs == 16 && !thorough()) continue;
    for (std::size_t units : {1u, 50u, 32u}) {
      if (units == 32 && !thorough()) continue;
      for (bool biased : {false, true}) {
        if (thorough() || biased) check_against_cpu<double>(inputs, units, 1 + units % 4, biased, 1e-13);
        if (thorough() || !biased) check_against_cpu<float>(inputs, units, 1 + units % 4, biased, 1e-5);
      }
    }
  }
}

TEST(cuda_tiles_of_long_inputs_and_many_outputs_agree_too) {
  check_route<double>(Route::kFactor, 300, 3, 2, true, 1e-13);
  if (thorough()) check_route<float>(Route::kFactor, 300, 3, 2, true, 1e-5);
  // Forms of more than one part.
  if (thorough()) check_route<double>(Route::kDense, 130, 3, 1, true, 1e-13);
  check_route<float>(Route::kDense, 130, 3, 1, true, 1e-5);
  check_against_cpu<double>(5, 40, 40, true, 1e-13);
}

TEST(cuda_tiles_of_no_units_no_inputs_or_no_outputs_are_handled) {
  check_against_cpu<double>(4, 0, 2, true, 1e-13);
  check_against_cpu<double>(0, 5, 2, true, 1e-13);
  check_against_cpu<double>(4, 5, 0, true, 1e-13);
}

TEST(cuda_tiles_take_chains_with_and_without_a_block_together) {
  Alone alone;
  Random random(21);
  const Chain chain(random, 6, 9, 4, false);
  LinearView linear;
  const std::vector<double> weight = random.vector<double>(24);
  linear.weight = MatrixView::row_major(weight.data(), 4, 6);
  const QuadraticMap with = fold_one_block(alone.context, chain.view()),
                     without = fold_one_block(alone.context, {{linear}, {}, 6});
  const GramJob job{Measure::kGaussian, true, true};
  for (Route route : {Route::kFactor, Route::kDense}) {
    const PreparedModel<double> a = prepare<double>(alone.context, with), b = prepare<double>(alone.context, without);
    const auto c = prepare_cuda(alone.context, api(), 0, DType::kFloat64, with, route, 1),
               d = prepare_cuda(alone.context, api(), 0, DType::kFloat64, without, route, 1);
    const GramTile wanted = gram_tile<double>(alone.context, job, {&a, &b}, {&a, &b});
    const GramTile found = cuda_gram_tile(alone.context, api(), job, {c.get(), d.get()}, {c.get(), d.get()});
    for (std::size_t at = 0; at < 16; ++at)
      CHECK_CLOSE(found.per_output[at], wanted.per_output[at], 1e-13, wanted.total[0]);
  }
}

TEST(cuda_products_of_vectors_agree_with_those_of_the_cpu) {
  Alone alone;
  Random random(5);
  constexpr std::size_t kModels = 35;  // more than a block has
  // Parts that end in the middle of a stage, a segment of several parts, one of none.
  const std::vector<std::size_t> lengths{1, 45, 20000, 0, 333};
  std::vector<std::vector<std::vector<float>>> values(kModels);
  std::vector<std::unique_ptr<PreparedModel<float>>> on_cpu;
  std::vector<std::unique_ptr<PreparedModel<double>>> wide_on_cpu;
  std::vector<CudaModelPointer> on_device, wide_on_device;
  for (auto& model : values) {
    std::vector<MatrixView> segments;
    for (std::size_t length : lengths) {
      model.push_back(random.vector<float>(length));
      segments.push_back(MatrixView::row_major(model.back().data(), length, 1));
    }
    on_cpu.push_back(std::make_unique<PreparedModel<float>>(prepare_features<float>(segments)));
    wide_on_cpu.push_back(std::make_unique<PreparedModel<double>>(prepare_features<double>(segments)));
    on_device.push_back(prepare_cuda_features(api(), 0, DType::kFloat32, segments));
    wide_on_device.push_back(prepare_cuda_features(api(), 0, DType::kFloat64, segments));
  }
  for (bool symmetric : {true, false}) {
    const GramJob job{Measure::kGaussian, symmetric, true};
    const auto compare = [&](const GramTile& wanted, const GramTile& found, double tolerance) {
      CHECK(found.per_output.size() == wanted.per_output.size());
      for (std::size_t at = 0; at < wanted.per_output.size(); ++at) {
        CHECK_CLOSE(found.per_output[at], wanted.per_output[at], tolerance,
                    1.0 + static_cast<double>(lengths[at % lengths.size()]));
      }
    };
    compare(gram_tile<float>(alone.context, job, pointers(on_cpu), pointers(on_cpu)),
            cuda_gram_tile(alone.context, api(), job, pointers(on_device), pointers(on_device)), 1e-6);
    compare(gram_tile<double>(alone.context, job, pointers(wide_on_cpu), pointers(wide_on_cpu)),
            cuda_gram_tile(alone.context, api(), job, pointers(wide_on_device), pointers(wide_on_device)), 1e-14);
  }
}

// Of so many models with vectors of one segment: products of the first `rows` with the last `columns`, or of all.
template <class T>
GramTile products_of_vectors(const std::vector<std::vector<T>>& values, std::size_t rows, std::size_t columns) {
  Alone alone;
  std::vector<CudaModelPointer> models;
  for (const std::vector<T>& vector : values) {
    models.push_back(
        prepare_cuda_features(api(), 0, DTypeOf<T>::value, {MatrixView::row_major(vector.data(), vector.size(), 1)}));
  }
  const bool symmetric = rows == models.size() && columns == models.size();
  const auto all = pointers(models);
  return cuda_gram_tile(alone.context, api(), {Measure::kGaussian, symmetric, false},
                        {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(rows)},
                        {all.end() - static_cast<std::ptrdiff_t>(columns), all.end()});
}

// Blocks of every shape give the same bits as two models alone.
template <class T>
void check_shapes(std::size_t models, std::size_t rows, std::size_t columns, std::size_t length, double tolerance) {
  Random random(static_cast<unsigned>(models));
  std::vector<std::vector<T>> values;
  for (std::size_t i = 0; i < models; ++i) values.push_back(random.vector<T>(length));
  const GramTile found = products_of_vectors(values, rows, columns);
  HostDevice::at(0).order = ThreadOrder::kBackward;
  CHECK(products_of_vectors(values, rows, columns).total == found.total);
  HostDevice::at(0).order = ThreadOrder::kForward;
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      const std::vector<T>&a = values[i], &b = values[models - columns + j];
      double wanted = 0;
      for (std::size_t k = 0; k < length; ++k) wanted += static_cast<double>(a[k]) * static_cast<double>(b[k]);
      CHECK_CLOSE(found.total[i * columns + j], wanted, tolerance, static_cast<double>(length));
    }
  }
  const std::size_t row = rows / 2, column = columns - 1, other = models - columns + column;
  if (row > other) return;
  const GramTile alone = products_of_vectors<T>({values[row], values[other]}, 1, 1);
  CHECK(alone.total[0] == found.total[row * columns + column]);
}

TEST(cuda_products_of_vectors_have_the_same_bits_in_blocks_of_every_shape) {
  for (std::size_t models : {1u, 2u, 10u, 17u, 40u, 70u}) {
    if (models == 70 && !thorough()) continue;
    check_shapes<double>(models, models, models, 4200, 1e-15);
    check_shapes<float>(models, models, models, models == 40 ? 4200 : 300, 1e-6);
  }
  check_shapes<double>(133, 133, 133, 40, 1e-15);
  check_shapes<float>(133, 133, 133, 100, 1e-6);
  // Of different models on either side.
  check_shapes<double>(30, 10, 20, 4200, 1e-15);
  check_shapes<float>(60, 33, 27, 100, 1e-6);
  check_shapes<double>(200, 130, 70, 40, 1e-15);
}

TEST(cuda_products_of_vectors_are_given_by_themselves) {
  const std::vector<double> first{1, 2, 3, 4}, second{5, 6, 7, 8};
  const auto vector = [](const std::vector<double>& values) {
    return prepare_cuda_features(api(), 0, DType::kFloat64, {MatrixView::row_major(values.data(), values.size(), 1)});
  };
  const CudaModelPointer models[] = {vector(first), vector(second)};
  const TensimCudaModel* const list[] = {models[0]->on_device(), models[1]->on_device()};
  const std::uint64_t offsets[] = {0, 4};
  double slices[4] = {};
  TensimCudaTile tile{};
  tile.rows = tile.columns = list;
  tile.row_count = tile.column_count = 2;
  tile.weight = tile.factor = 1;
  tile.offsets = offsets;
  tile.segments = 1;
  tile.slices = slices;
  TensimCudaError error{};
  check_cuda(api().gram_products(&tile, &error), error);
  CHECK(slices[0] == 30 && slices[1] == 70 && slices[2] == 70 && slices[3] == 174);
}

template <class T>
void check_bits(Route route) {
  Alone alone;
  Random random(8);
  std::vector<CudaModelPointer> models;
  for (std::size_t i = 0; i < 3; ++i) {
    const Chain chain(random, 70, 40 + 10 * i, 5, true);
    models.push_back(prepare_cuda(alone.context, api(), 0, DTypeOf<T>::value,
                                  fold_one_block(alone.context, chain.view()), route, 1));
  }
  const GramJob job{Measure::kGaussian, false, true};
  const GramTile forward = cuda_gram_tile(alone.context, api(), job, pointers(models), pointers(models));
  HostDevice::at(0).order = ThreadOrder::kBackward;
  const GramTile backward = cuda_gram_tile(alone.context, api(), job, pointers(models), pointers(models));
  HostDevice::at(0).order = ThreadOrder::kForward;
  CHECK(forward.per_output == backward.per_output);
  for (const LaunchLimits& limits : {LaunchLimits{0, SIZE_MAX}, LaunchLimits{1e300, 20000}}) {
    HostDevice::at(0).limits = limits;
    const GramTile divided = cuda_gram_tile(alone.context, api(), job, pointers(models), pointers(models));
    CHECK(forward.per_output == divided.per_output);
  }
  HostDevice::at(0).limits = {};
  const GramTile one = cuda_gram_tile(alone.context, api(), job, {models[2].get()}, {models[1].get()});
  CHECK(one.total[0] == forward.total[7]);
}

TEST(cuda_tiles_do_not_depend_on_the_order_of_threads_nor_on_other_models_nor_on_what_shares_a_launch) {
  for (Route route : {Route::kFactor, Route::kDense}) {
    if (thorough() || route == Route::kFactor) check_bits<double>(route);
    if (thorough() || route == Route::kDense) check_bits<float>(route);
  }
}

TEST(cuda_tiles_of_many_models_agree_whatever_their_panels_share) {
  Alone alone;
  Random random(33);
  constexpr std::size_t kModels = 40;  // more than one square has
  std::vector<std::unique_ptr<PreparedModel<double>>> on_cpu;
  std::vector<CudaModelPointer> on_device;
  for (std::size_t i = 0; i < kModels; ++i) {
    const Chain chain(random, 20, i % 7 == 3 ? 0 : 5 + 11 * (i % 6), 3, i % 2 == 0);
    const QuadraticMap map = fold_one_block(alone.context, chain.view());
    on_cpu.push_back(std::make_unique<PreparedModel<double>>(prepare<double>(alone.context, map)));
    on_device.push_back(prepare_cuda(alone.context, api(), 0, DType::kFloat64, map, Route::kFactor, 1));
  }
  for (bool symmetric : {true, false}) {
    const GramJob job{Measure::kGaussian, symmetric, true};
    const GramTile wanted = gram_tile<double>(alone.context, job, pointers(on_cpu), pointers(on_cpu));
    const GramTile found = cuda_gram_tile(alone.context, api(), job, pointers(on_device), pointers(on_device));
    // Some rows at a time, and few pairs of them.
    HostDevice::at(0).limits = {1e300, 4000};
    CHECK(cuda_gram_tile(alone.context, api(), job, pointers(on_device), pointers(on_device)).per_output ==
          found.per_output);
    HostDevice::at(0).limits = {};
    for (std::size_t i = 0; i < kModels; ++i) {
      for (std::size_t j = 0; j < kModels; ++j) {
        const double norms = std::sqrt(wanted.total[i * (kModels + 1)] * wanted.total[j * (kModels + 1)]);
        CHECK_CLOSE(found.total[i * kModels + j], wanted.total[i * kModels + j], 1e-13, norms);
      }
    }
  }
}

TEST(cuda_peaks_are_rates) {
  for (int single : {0, 1}) {
    double rate = 0;
    TensimCudaError error{};
    check_cuda(api().peak(0, single, &rate, &error), error);
    CHECK(rate > 0);
  }
}

TEST(cuda_work_that_is_aborted_or_out_of_memory_ends_with_that_and_gives_everything_back) {
  HostDevice& device = HostDevice::at(0);
  const std::size_t before = device.used();
  {
    Alone alone;
    Random random(3);
    const Chain chain(random, 20, 40, 3, true);
    const QuadraticMap map = fold_one_block(alone.context, chain.view());
    const CudaModelPointer model = prepare_cuda(alone.context, api(), 0, DType::kFloat64, map, Route::kFactor, 1);
    CHECK(!emulated() || model->bytes() == device.used() - before);
    const auto code_of = [](const auto& work) -> std::string {
      try {
        work();
      } catch (const Error& error) {
        return error.code();
      } catch (const Aborted&) {
        return "aborted";
      }
      return "";
    };
    const GramJob job{Measure::kGaussian, true, false};
    const auto tile = [&] { cuda_gram_tile(alone.context, api(), job, {model.get()}, {model.get()}); };
    if (emulated()) {
      device.limit = device.used() + 1000;
      CHECK(code_of(tile) == "MEMORY_LIMIT");
      CHECK(code_of([&] { prepare_cuda(alone.context, api(), 0, DType::kFloat64, map, Route::kFactor, 1); }) ==
            "MEMORY_LIMIT");
      device.limit = SIZE_MAX;
    }
    CHECK(code_of([&] { prepare_cuda(alone.context, api(), 7, DType::kFloat64, map, Route::kFactor, 1); }) ==
          "INVALID_ARGUMENT");
    CHECK(code_of(tile).empty());
    CHECK(alone.control.total() > 0 && alone.control.done() == alone.control.total());
    alone.control.abort();
    CHECK(code_of(tile) == "aborted");
    CHECK(!emulated() || device.used() == before + model->bytes());
  }
  CHECK(device.used() == before);
}

TEST(a_table_of_another_version_or_with_holes_is_refused) {
  const auto refused = [](const TensimCudaApi* table) {
    try {
      checked_api(table, "it");
    } catch (const Error& error) {
      return std::string(error.code()) == "BACKEND_UNAVAILABLE";
    }
    return false;
  };
  CHECK(!refused(&api()));
  CHECK(refused(nullptr));
  for (int change = 0; change < 3; ++change) {
    TensimCudaApi table = api();
    if (change == 0) ++table.version;
    if (change == 1) --table.size;
    if (change == 2) table.gram_products = nullptr;
    CHECK(refused(&table));
  }
}

}  // namespace tensim::test
