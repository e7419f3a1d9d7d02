// Hidden and gated blocks by a library of the CUDA backend on its first device: whether their inner products are those
// of the native code on random shapes, and which rates they reach beside the peak of the tensor cores and beside the
// tiles of bilinear pairs.
//
//   cmake --build build --target tensim_cuda_units tensim_cuda
//   build/tensim_cuda_units build/Release/tensim_cuda.so [check]
//
// With `check` nothing is measured. It takes about 6 GB of the device's memory and 8 GB of the host's, and ends with 1
// when something differs.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include "addon/cuda/library.h"
#include "addon/cuda/units.h"
#include "gaussian/hidden_pair.h"
#include "similarity/hidden_tile.h"
#include "units.h"

using namespace tensim;
using namespace tensim::test;
using Kind = ActivationKind;
using Clock = std::chrono::steady_clock;

namespace {

const TensimCudaApi* table = nullptr;
const TensimCudaApi& api() {
  return *table;
}

ThreadPool pool;
Control control;
Context context() {
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  return {kernels_for(available_instruction_sets().back()), pool, threads, control};
}
double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <class Models>
auto pointers(const Models& models) {
  std::vector<const std::decay_t<decltype(*models.front())>*> result;
  for (const auto& model : models) result.push_back(&*model);
  return result;
}

int failures = 0;

template <class T>
void compare(unsigned seed, const std::vector<Shape>& shapes, Kind kind, Kind other, bool gated, bool mixed,
             double tolerance) {
  const Context ctx = context();
  Random random(seed);
  std::vector<FoldedUnits> folded;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    folded.push_back(draw(random, shapes[i], i % 2 ? other : kind, gated && !(mixed && i == 1),
                          folded.empty() ? nullptr : &folded.front()));
  }
  std::vector<std::unique_ptr<PreparedHidden<T>>> on_cpu;
  std::vector<CudaUnitsPointer> on_device;
  for (const FoldedUnits& units : folded) {
    on_cpu.push_back(std::make_unique<PreparedHidden<T>>(prepare_hidden<T>(ctx, units, 1)));
    on_device.push_back(prepare_cuda_units(ctx, api(), 0, DTypeOf<T>::value, units, 1));
  }
  const GramJob job{Measure::kGaussian, true, true, true};
  const GramTile wanted = hidden_tile<T>(ctx, job, pointers(on_cpu), pointers(on_cpu));
  const GramTile found = cuda_units_tile(ctx, api(), job, pointers(on_device), pointers(on_device));
  const GramTile again = cuda_units_tile(ctx, api(), {Measure::kGaussian, false, false, false}, pointers(on_device),
                                         {on_device.back().get()});
  const std::size_t n = shapes.size(), outputs = shapes.front().outputs;
  double worst = 0, degree = 0, slice = 0;
  bool bits = true;
  for (std::size_t i = 0; i < n; ++i) {
    bits = bits && again.total[i] == found.total[i * n + n - 1];
    for (std::size_t j = 0; j < n; ++j) {
      const std::size_t at = i * n + j;
      const double size = std::sqrt(wanted.total[i * (n + 1)] * wanted.total[j * (n + 1)]);
      const auto add = [&](double& most, double x, double y, double by) {
        const double error = std::abs(x - y) / by;
        most = error >= most || error != error ? error : most;
      };
      add(worst, found.total[at], wanted.total[at], size);
      for (std::size_t d = 0; d < kDegrees; ++d)
        add(degree, found.per_degree[at * kDegrees + d], wanted.per_degree[at * kDegrees + d], size);
      for (std::size_t c = 0; c < outputs; ++c)
        add(slice, found.per_output[at * outputs + c], wanted.per_output[at * outputs + c],
            std::sqrt(wanted.per_output[i * (n + 1) * outputs + c] * wanted.per_output[j * (n + 1) * outputs + c]));
    }
  }
  const bool right = worst <= tolerance && degree <= tolerance && slice <= tolerance && bits;
  failures += !right;
  std::printf("%-7s %s kinds %2d %2d%s: total %.1e degrees %.1e slices %.1e%s\n", right ? "ok" : "differs",
              sizeof(T) == 8 ? "float64" : "float32", static_cast<int>(kind), static_cast<int>(other),
              gated ? " gated" : "", worst, degree, slice, bits ? "" : ", and by what it shares a tile with");
  std::fflush(stdout);
}

template <class T>
void compare_all(double tolerance) {
  const Kind kinds[] = {Kind::kGelu,  Kind::kRelu,   Kind::kSilu,      Kind::kTanh,
                        Kind::kRelu2, Kind::kSquare, Kind::kHeaviside, Kind::kErf};
  unsigned seed = 100;
  for (int round = 0; round < 17; ++round) {
    Random random(seed);
    const auto between = [&](std::size_t low, std::size_t high) {
      return low + static_cast<std::size_t>((random.number() * 0.5 + 0.5) * 0.999 * static_cast<double>(high - low));
    };
    const std::size_t inputs = between(8, 300), outputs = round % 5 == 4 ? between(30, 90) : between(1, 12);
    std::vector<Shape> shapes;
    for (int i = 0; i < 3; ++i) shapes.push_back({inputs, between(1, i == 2 ? 700 : 200), outputs});
    const Kind kind = kinds[round % 8], other = round % 3 ? kind : kinds[(round + 3) % 8];
    const bool gated = round % 2 == 1;
    compare<T>(seed++, shapes, kind, other, gated, round % 7 == 3, tolerance);
  }
}

FoldedUnits large(unsigned seed, const Shape& shape, Kind kind, bool gated) {
  FoldedUnits units;
  units.inputs = shape.inputs, units.outputs = shape.outputs, units.hidden = shape.hidden;
  units.activation = {kind, 0.1};
  units.gated = gated;
  units.directions = Matrix<double>(shape.hidden, shape.inputs);
  if (gated) units.across = Matrix<double>(shape.hidden, shape.inputs);
  units.down = FoldedMatrix::allocate(shape.outputs, shape.hidden);
  units.means.resize(shape.hidden), units.deviations.resize(shape.hidden);
  if (gated) units.constants.resize(shape.hidden), units.along.resize(shape.hidden), units.lengths.resize(shape.hidden);
  context().parallel_for(shape.hidden, [&](std::size_t i) {
    Random random(static_cast<unsigned>(seed * 1000003 + i));
    double* row = units.directions.row(i);
    double squares = 0;
    for (std::size_t j = 0; j < shape.inputs; ++j) row[j] = random.number(), squares += row[j] * row[j];
    for (std::size_t j = 0; j < shape.inputs; ++j) row[j] /= std::sqrt(squares);
    units.means[i] = 0.3 * random.number(), units.deviations[i] = 0.8 + 0.3 * random.number();
    for (std::size_t c = 0; c < shape.outputs; ++c) units.down.own[c * shape.hidden + i] = random.number();
    if (!gated) return;
    units.constants[i] = 0.2 * random.number(), units.along[i] = 0.2 * random.number();
    double* across = units.across.row(i);
    double along = 0, rest = 0;
    for (std::size_t j = 0; j < shape.inputs; ++j) {
      across[j] = random.number() / std::sqrt(static_cast<double>(shape.inputs)), along += across[j] * row[j];
    }
    for (std::size_t j = 0; j < shape.inputs; ++j) across[j] -= along * row[j], rest += across[j] * across[j];
    units.lengths[i] = std::sqrt(rest);
  });
  units.constant.assign(shape.outputs, 0.0);
  return units;
}

double peaks[2], pairs[2];

void measure(const char* name, const Shape& shape, Kind kind, bool gated, std::size_t count, bool single, int rounds) {
  const Context ctx = context();
  const Clock::time_point start = Clock::now();
  std::vector<CudaUnitsPointer> models;
  double drawing = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Clock::time_point begin = Clock::now();
    const FoldedUnits folded = large(static_cast<unsigned>(i), shape, kind, gated);
    drawing += since(begin);
    models.push_back(prepare_cuda_units(ctx, api(), 0, single ? DType::kFloat32 : DType::kFloat64, folded, 1));
  }
  const double prepared = since(start) - drawing;
  const auto h = static_cast<double>(shape.hidden), k = static_cast<double>(shape.inputs),
             o = static_cast<double>(shape.outputs);
  const double flops = 2 * h * h * ((gated ? 4 : 1) * k + o) * static_cast<double>(count * (count - 1)) / 2;
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    const Clock::time_point begin = Clock::now();
    cuda_units_tile(ctx, api(), {Measure::kGaussian, true, false, true}, pointers(models), pointers(models));
    times.push_back(since(begin));
  }
  std::sort(times.begin(), times.end());
  const double rate = flops / times[times.size() / 2];
  std::printf(
      "%-34s %s N=%-3zu %8.1f ms (best %.1f)  %6.1f TFLOP/s = %.2f of peak, %.2f of pair tiles; prepared %.2f s\n",
      name, single ? "f32" : "f64", count, 1e3 * times[times.size() / 2], 1e3 * times[0], 1e-12 * rate,
      rate / peaks[single], rate / pairs[single], prepared);
  std::fflush(stdout);
}

void measure_pairs(bool single) {
  TensimCudaError error{};
  check_cuda(api().peak(0, single, &peaks[single], &error), error);
  const std::size_t inputs = 4096, units = 64, outputs = 8, count = 100;
  std::vector<double> left(units * inputs), down(outputs * units);
  std::vector<TensimCudaModel*> models(count);
  Random random(3);
  for (double& x : left) x = random.number();
  for (double& x : down) x = random.number();
  TensimCudaSource source{};
  source.single = single, source.depth = inputs, source.units = units, source.outputs = outputs;
  source.left = source.right = left.data();
  source.down = down.data();
  for (auto& model : models) check_cuda(api().model_create(0, &source, &model, &error), error);
  std::vector<double> quadratic(count * count * outputs);
  TensimCudaTile tile{};
  tile.rows = tile.columns = models.data();
  tile.row_count = tile.column_count = count;
  tile.symmetric = 1;
  tile.quadratic = quadratic.data();
  double best = 1e9;
  for (int round = 0; round < 4; ++round) {
    const Clock::time_point begin = Clock::now();
    check_cuda(api().gram_products(&tile, &error), error);
    best = std::min(best, since(begin));
  }
  pairs[single] = 2.0 * units * units * (4 * inputs + outputs) * count * (count + 1) / 2 / best;
  for (auto* model : models) api().model_destroy(model);
  std::printf("%s peak on registers %.1f TFLOP/s, pair tiles of depth 4096 %.1f\n", single ? "f32" : "f64",
              1e-12 * peaks[single], 1e-12 * pairs[single]);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::printf("usage: tensim_cuda_units LIBRARY [check]\n");
    return 2;
  }
  table = &CudaLibrary::open(argv[1]).api();
  const Clock::time_point start = Clock::now();
  compare_all<double>(1e-12);
  compare_all<float>(1e-5);
  std::printf("%d differ, after %.1f s\n", failures, since(start));
  if (argc > 2 && std::strcmp(argv[2], "check") == 0) return failures != 0;
  for (bool single : {true, false}) {
    measure_pairs(single);
    measure("hidden gelu (784,512,10)", {784, 512, 10}, Kind::kGelu, false, 100, single, 3);
    measure("hidden gelu (512,2048,512)", {512, 2048, 512}, Kind::kGelu, false, 8, single, 3);
    measure("gated silu (512,2048,512)", {512, 2048, 512}, Kind::kSilu, true, 8, single, 3);
  }
  measure("gated silu (4096,14336,4096)", {4096, 14336, 4096}, Kind::kSilu, true, 2, true, 3);
  return failures != 0;
} catch (const Error& error) {
  std::printf("%s: %s\n", error.code(), error.what());
  return 2;
} catch (const std::exception& error) {
  std::printf("%s\n", error.what());
  return 2;
}
