// Forward passes, random numbers and sampled matrices by a library of the CUDA backend on its first device: whether
// they are those of the native code, and at which rates they come.
//
//   cmake --build build --target tensim_cuda_forward tensim_cuda
//   build/tensim_cuda_forward build/Release/tensim_cuda.so
//
// It takes about 30 GB of the device's memory, and ends with 1 when something differs.
#include <chrono>
#include <cstdio>
#include <cstring>

#include "addon/cuda/library.h"
#include "forward_network.h"

using namespace tensim;
using namespace tensim::test;

namespace {

int failures = 0;
std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

const TensimCudaApi* table = nullptr;
const TensimCudaApi& api() {
  return *table;
}

void report(const char* what, double error, double limit) {
  const bool fine = error <= limit;
  if (!fine) ++failures;
  std::printf("%-7s %-52s %9.2e (limit %7.1e)\n", fine ? "ok" : "differs", what, error, limit);
  std::fflush(stdout);
}

struct Many {
  ThreadPool pool;
  Control control;
  Context context{kernels_for(available_instruction_sets().back()), pool, 16, control};
};

template <class T>
double error_of(const std::vector<T>& found, const std::vector<T>& wanted) {
  const double scale = largest(wanted);
  double most = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double error = std::abs(static_cast<double>(found[i]) - static_cast<double>(wanted[i])) / scale;
    most = std::isnan(error) ? INFINITY : std::max(most, error);
  }
  return most;
}

template <class T>
void check(const char* name, Network& network, std::size_t batch, bool tokens) {
  Many many;
  const std::vector<double> x = tokens ? std::vector<double>() : network.vectors(batch);
  const std::vector<std::int32_t> ids = tokens ? network.tokens(batch) : std::vector<std::int32_t>();
  const CudaInputs inputs{tokens ? MatrixView{} : column(x), tokens ? ids.data() : nullptr, batch};
  const std::vector<T> wanted = native_outputs<T>(many.context, network, inputs);
  std::vector<T> found(wanted.size(), static_cast<T>(NAN)), again(wanted.size(), static_cast<T>(NAN));
  const CudaForwardPointer pass = prepared<T>(api(), network, tokens);
  pass->evaluate(many.context, inputs, found.data());
  pass->evaluate(many.context, inputs, again.data());
  char text[80];
  std::snprintf(text, sizeof text, "%s %s batch %zu", name, sizeof(T) == 8 ? "f64" : "f32", batch);
  report(text, error_of(found, wanted), sizeof(T) == 8 ? 1e-12 : 1e-5);
  if (std::memcmp(found.data(), again.data(), found.size() * sizeof(T)) != 0) report("the same again", 1, 0);
}

template <class F>
double median(int times, const F& f) {
  f();
  std::vector<double> all;
  for (int i = 0; i < times; ++i) {
    const double before = seconds();
    f();
    all.push_back(seconds() - before);
  }
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

Network attention_network(Random& random, std::size_t vocabulary, std::size_t width) {
  Network network(random, 4, vocabulary);
  network.linear(width, false);
  for (int layer = 0; layer < 2; ++layer) network.attention(8, width / 8, width, true, true, false);
  network.linear(vocabulary, false);
  return network;
}

template <class T>
void time_network(double peak) {
  Random random(71);
  Network network = attention_network(random, 4096, 256);
  const CudaForwardPointer pass = prepared<T>(api(), network, true);
  Many many;
  const double flops = 4 * (2 * (5 * 2.0 * 256 * 256 + 3 * 2.0 * 256 * 4 + 2 * 256.0 * 256) + 2.0 * 4096 * 256);
  for (const std::size_t batch : {256, 2048, 16384}) {
    const std::vector<std::int32_t> ids = network.tokens(batch);
    const double s = median(5, [&] { pass->keep(many.context, {{}, ids.data(), batch}, {}, false); });
    const double rate = static_cast<double>(batch) / s;
    std::printf("attention V4096 d256 %s kept, batch %5zu: %9.3e inputs/s, %5.1f TFLOP/s, %4.1f %% of peak\n",
                sizeof(T) == 8 ? "f64" : "f32", batch, rate, rate * flops * 1e-12, 100 * rate * flops / peak);
    std::fflush(stdout);
  }
  const std::size_t batch = 4096;
  const std::vector<std::int32_t> ids = network.tokens(batch);
  std::vector<T> results(batch * 16384);
  const double s = median(3, [&] { pass->evaluate(many.context, {{}, ids.data(), batch}, results.data()); });
  std::printf("attention V4096 d256 %s to the host, batch %zu: %9.3e inputs/s, %5.1f GB/s\n",
              sizeof(T) == 8 ? "f64" : "f32", batch, batch / s, batch * 16384.0 * sizeof(T) / s * 1e-9);
  std::fflush(stdout);
}

// One layer of a transformer, and one of a network of images.
Network softmax_network(Random& random, std::size_t positions, std::size_t width) {
  Network network(random, positions, width);
  Network::Softmax own;
  own.size = own.value_size = own.turning = 64;
  own.heads = width / own.size;
  own.kv_heads = own.heads / 4;
  own.outputs = width;
  own.causal = true;
  return std::move(network.softmax(own));
}
Network image_network(Random& random, std::size_t channels, std::size_t side, std::size_t groups) {
  Windows same;
  same.input = same.output = {side, side};
  same.kernel = {3, 3};
  same.padding = {1, 1};
  Network network(random, 1, channels * side * side);
  return std::move(network.convolution(same, channels, channels, groups, true).pool(same, channels, true, true));
}

template <class T>
void time_layers() {
  Random random(73);
  const char* const type = sizeof(T) == 8 ? "f64" : "f32";
  Many many;
  const auto time = [&](const char* name, Network network, std::size_t batch, double flops) {
    const std::vector<double> x = network.vectors(batch);
    const CudaForwardPointer pass = prepared<T>(api(), network, false);
    const double s = median(3, [&] { pass->keep(many.context, {column(x), nullptr, batch}, {}, false); });
    std::printf("%s %s kept, batch %zu: %.3f ms, %.2f TFLOP/s\n", name, type, batch, s * 1e3,
                static_cast<double>(batch) * flops / s * 1e-12);
    std::fflush(stdout);
  };
  for (const double n : {128.0, 2048.0}) {
    const double flops = n * (2.0 * 1024 * (1024 + 2 * 256 + 1024) + 2.0 * 16 * 128 * n / 2);
    time(n < 1000 ? "softmax d1024 n128" : "softmax d1024 n2048",
         softmax_network(random, static_cast<std::size_t>(n), 1024), static_cast<std::size_t>(16384 / n), flops);
  }
  time("convolution 64 of 56x56", image_network(random, 64, 56, 1), 16, 2.0 * 64 * 576 * 56 * 56);
  time("depthwise 64 of 56x56", image_network(random, 64, 56, 64), 16, 2.0 * 64 * 9 * 56 * 56);
}

void check_normals() {
  Many many;
  double wrong = 0;
  for (const std::size_t dimension : {1, 2, 255, 4096}) {
    const std::size_t count = 4000000 / dimension;
    const NormalStream stream{0xdeadbeefu, static_cast<std::uint32_t>(dimension) * 77u, dimension};
    std::vector<double> wanted(count * dimension), found(count * dimension, NAN);
    normals(many.context, stream, 1000, count, wanted.data());
    cuda_normals(many.context, api(), 0, stream, 1000, count, found.data());
    for (std::size_t i = 0; i < wanted.size(); ++i) wrong += std::memcmp(&wanted[i], &found[i], 8) != 0;
  }
  report("normals that differ in a bit, of 16 million", wrong, 0);
}

void time_normals() {
  Many many;
  const std::size_t count = 4096, dimension = 4096;
  std::vector<double> numbers(count * dimension);
  const double drawn = median(3, [&] {
    cuda_normals(many.context, api(), 0, {1, 2, dimension}, 0, count, numbers.data());
  });
  std::printf("normals to the host: %.3e numbers/s, %.1f GB/s\n", static_cast<double>(numbers.size()) / drawn,
              static_cast<double>(numbers.size()) * 8 / drawn * 1e-9);
  const double here = median(1, [&] { normals(many.context, {1, 2, dimension}, 0, count, numbers.data()); });
  std::printf("normals by the host's threads: %.3e numbers/s\n", static_cast<double>(numbers.size()) / here);
}

template <class T>
void time_matrix() {
  Random random(72);
  std::vector<Network> networks;
  std::vector<CudaForwardPointer> passes;
  for (int i = 0; i < 3; ++i) {
    networks.push_back(attention_network(random, 4096, 256));
    passes.push_back(prepared<T>(api(), networks.back(), true));
  }
  const std::size_t models = 100;
  Many many;
  for (const std::size_t batch : {512, 2048}) {
    const std::vector<std::int32_t> ids = networks[0].tokens(batch);
    double kept_s = 0, tile_s = 0, sample_s = 0, error = 0;
    for (int turn = 0; turn < 2; ++turn) {  // the second one counts
      double now = seconds();
      std::vector<CudaModelPointer> kept;
      for (std::size_t m = 0; m < models; ++m)
        kept.push_back(passes[m % passes.size()]->keep(many.context, {{}, ids.data(), batch}, {}, false));
      kept_s = seconds() - now;
      std::vector<const CudaModel*> list;
      for (const auto& model : kept) list.push_back(model.get());
      now = seconds();
      const GramTile tile = cuda_gram_tile(many.context, api(), {Measure::kGaussian, true, false}, list, list);
      tile_s = seconds() - now;
      std::vector<std::uint32_t> pairs;
      for (std::uint32_t m = 0; m < models; ++m) pairs.insert(pairs.end(), {m, m});
      for (std::uint32_t p = 0; p < 64; ++p) pairs.insert(pairs.end(), {p, p + 7});
      std::vector<double> sums(pairs.size() / 2 * batch);
      now = seconds();
      cuda_sample_products(many.context, api(), list, pairs, batch, 4, 4096, false, sums.data());
      sample_s = seconds() - now;
      error = 0;
      for (std::size_t m = 0; m < models; ++m) {
        double sum = 0;
        for (std::size_t s = 0; s < batch; ++s) sum += sums[m * batch + s];
        error = std::max(error, std::abs(sum / tile.total[m * models + m] - 1));
      }
      for (std::size_t p = 0; p < 64; ++p) {
        double sum = 0;
        for (std::size_t s = 0; s < batch; ++s) sum += sums[(models + p) * batch + s];
        error = std::max(error, std::abs(sum - tile.total[p * models + p + 7]) / tile.total[0]);
      }
    }
    report("tile of kept outputs against products of samples", error, 1e-12);
    const double times = 262144.0 / static_cast<double>(batch);
    std::printf(
        "100 models %s, %zu inputs at a time: forward %.3f s (%.2e inputs/s), tile %.3f s (%.1f TFLOP/s of "
        "128x128), samples %.3f s\n",
        sizeof(T) == 8 ? "f64" : "f32", batch, kept_s, models * batch / kept_s, tile_s,
        2.0 * 128 * 128 * 16384 * static_cast<double>(batch) / tile_s * 1e-12, sample_s);
    std::printf("100 models %s, 262,144 samples: %.1f s in all\n", sizeof(T) == 8 ? "f64" : "f32",
                times * (kept_s + tile_s + sample_s));
    std::fflush(stdout);
  }
}

template <class T>
void check_all() {
  Random random(73);
  {
    Network network(random, 1, 784);
    network.linear(128, true).bilinear(256, 128, true, true).bilinear(256, 128, false, false).linear(10, true);
    check<T>("deep 784-128-256-10", network, 3001, false);
  }
  {
    Network network(random, 1, 37);
    network.linear(130, true).bilinear(129, 0, true, false).bilinear(65, 130, false, false).linear(257, true);
    check<T>("odd widths", network, 777, false);
  }
  for (const std::size_t positions : {1, 4, 33}) {
    Network network(random, positions, 96);
    network.attention(4, 24, 96, true, true, true).attention(3, 10, 96, false, false, false);
    check<T>(positions == 1   ? "attention n=1"
             : positions == 4 ? "attention n=4"
                              : "attention n=33",
             network, 300, false);
  }
  for (const std::size_t positions : {7, 100, 512}) {
    Network network = softmax_network(random, positions, 256);
    check<T>(positions == 7 ? "softmax n=7" : positions == 100 ? "softmax n=100" : "softmax n=512", network, 9, false);
  }
  for (const std::size_t groups : {1, 8}) {
    Network network = image_network(random, 8, 28, groups);
    check<T>(groups == 1 ? "images" : "images in groups", network, 37, false);
  }
  {
    Network network = attention_network(random, 512, 64);
    check<T>("tokens V512 d64", network, 1000, true);
  }
  {
    Network network = attention_network(random, 4096, 256);
    check<T>("tokens V4096 d256", network, 300, true);
  }
  for (std::size_t kind = 0; kind <= static_cast<std::size_t>(ActivationKind::kHardsigmoid); ++kind) {
    const auto own = static_cast<ActivationKind>(kind);
    Network network(random, 1, 40);
    network.activation(own)
        .hidden(70, 40, own, true, true)
        .gated(50, 40, own, true, false)
        .hidden(33, 0, own, false, true);
    char text[40];
    std::snprintf(text, sizeof text, "units, activation %zu", kind);
    check<T>(text, network, 500, false);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::printf("usage: tensim_cuda_forward LIBRARY\n");
    return 2;
  }
  try {
    table = &CudaLibrary::open(argv[1]).api();
    TensimCudaError error{};
    TensimCudaDevice info{};
    check_cuda(table->device_info(0, &info, &error), error);
    double peaks[2];
    for (int single = 0; single < 2; ++single) check_cuda(table->peak(0, single, &peaks[single], &error), error);
    std::printf("%s, sm_%d%d: %.1f TFLOP/s in float64, %.1f in float32, on registers alone; memory %.0f GB/s\n",
                info.name, info.major, info.minor, peaks[0] * 1e-12, peaks[1] * 1e-12, info.bandwidth * 1e-9);
    check_normals();
    check_all<double>();
    check_all<float>();
    time_network<double>(peaks[0]);
    time_network<float>(peaks[1]);
    time_layers<double>();
    time_layers<float>();
    time_normals();
    time_matrix<double>();
    time_matrix<float>();
  } catch (const std::exception& failure) {
    std::printf("failed: %s\n", failure.what());
    return 1;
  }
  std::printf("%s, in %.1f s\n", failures == 0 ? "all as by the native code" : "SOMETHING DIFFERS", seconds());
  return failures == 0 ? 0 : 1;
}
