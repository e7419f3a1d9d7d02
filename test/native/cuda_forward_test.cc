// Forward passes, random numbers and products of samples of the CUDA backend against the native ones: under emulation,
// or on a GPU (emulated_cuda.h).
#include "cuda/host_device.h"
#include "emulated_cuda.h"
#include "forward_network.h"

namespace tensim::test {
namespace {

using cuda::HostDevice;
using cuda::LaunchLimits;
using cuda::ThreadOrder;

// f both ways through the threads of every phase, and with launches so small that there are several.
template <class F>
void on_every_device(const F& f) {
  HostDevice& device = HostDevice::at(0);
  for (const ThreadOrder order : {ThreadOrder::kForward, ThreadOrder::kBackward}) {
    for (const std::uint64_t workspace : {std::uint64_t{1} << 27, std::uint64_t{1} << 12}) {
      device.order = order;
      device.limits.workspace_bytes = workspace;
      f();
    }
  }
  device.order = ThreadOrder::kForward;
  device.limits = LaunchLimits{};
  CHECK(device.used() == 0);
}

template <class T>
void check_against_native(Network& network, const CudaInputs& inputs) {
  Alone alone;
  const std::vector<T> wanted = native_outputs<T>(alone.context, network, inputs);
  const double scale = largest(wanted);
  on_every_device([&] {
    const CudaForwardPointer pass = prepared<T>(api(), network, inputs.tokens != nullptr);
    CHECK(pass->outputs == network.outputs() && pass->bytes() > 0);
    std::vector<T> found(wanted.size(), static_cast<T>(NAN));
    pass->evaluate(alone.context, inputs, found.data());
    for (std::size_t i = 0; i < wanted.size(); ++i)
      CHECK_CLOSE(found[i], wanted[i], sizeof(T) == sizeof(double) ? 1e-13 : 1e-5, scale);
  });
}

template <class T>
void check_vectors(Network& network, std::size_t batch) {
  const std::vector<double> x = network.vectors(batch);
  check_against_native<T>(network, {column(x), nullptr, batch});
}

}  // namespace

TEST(cuda_forward_passes_of_tensor_networks_are_the_native_ones) {
  Random random(61);
  for (const std::size_t width : {1, 5, 8, 70}) {
    Network network(random, 1, width);
    network.linear(6, true).bilinear(9, 6, true, true).bilinear(7, 0, true, false).bilinear(5, 11, false, false);
    network.linear(3, false);
    check_vectors<double>(network, 37);
    check_vectors<float>(network, 37);
  }
  Network same(random, 1, 8);  // a residual without D, and one number more than a tile has rows
  same.bilinear(8, 0, true, true).linear(130, true);
  check_vectors<double>(same, 129);
  check_vectors<float>(same, 3);
}

TEST(cuda_forward_passes_attend_as_the_native_ones) {
  Random random(62);
  for (const std::size_t positions : {1, 4, 7, 32, 33, 70}) {
    for (const bool causal : {false, true}) {
      Network network(random, positions, 5);
      network.attention(2, 3, 5, causal, false, true).attention(3, 4, 7, causal, true, true);
      network.attention(1, 6, 7, causal, true, false);
      check_vectors<double>(network, 5);
      check_vectors<float>(network, 3);
    }
  }
}

TEST(cuda_forward_passes_of_units_are_the_native_ones) {
  Random random(63);
  for (std::size_t kind = 0; kind <= static_cast<std::size_t>(ActivationKind::kHardsigmoid); ++kind) {
    const auto own = static_cast<ActivationKind>(kind);
    Network network(random, 2, 6);
    network.activation(own).hidden(7, 6, own, true, true).hidden(6, 0, own, true, false);
    network.gated(5, 6, own, true, false).gated(9, 0, own, false, true).hidden(3, 0, own, false, true);
    check_vectors<double>(network, 9);
    check_vectors<float>(network, 4);
  }
}

TEST(cuda_forward_passes_of_norms_are_the_native_ones) {
  Random random(68);
  for (const std::size_t width : {1, 6, 40}) {
    Network network(random, 3, width);
    network.positions_added(5).norm<RmsNormView>(true, false).linear(6, true).norm<LayerNormView>(true, true);
    network.batch_norm(2)
        .norm<RmsNormView>(false, true)
        .batch_norm(1)
        .linear(5, false)
        .norm<LayerNormView>(false, false);
    check_vectors<double>(network, 9);
    check_vectors<float>(network, 4);
  }
}

TEST(cuda_forward_passes_attend_softly_as_the_native_ones) {
  Random random(69);
  const auto check = [&](std::size_t positions, const Network::Softmax& own) {
    Network network(random, positions, 5);
    network.softmax(own).linear(6, true).softmax(own);
    check_vectors<double>(network, 5);
    check_vectors<float>(network, 3);
  };
  for (const std::size_t positions : {1, 4, 32, 33, 70}) {
    for (const bool causal : {false, true}) {
      Network::Softmax own;
      own.causal = causal;
      check(positions, own);
      own.window = 3;
      own.alibi = 8;
      own.heads = 3;
      check(positions, own);
      own = {};
      own.causal = causal;
      own.kv_heads = 2;
      own.heads = 4;
      own.window = 35;
      own.turning = 4;
      own.norm = 1;
      own.biased = true;
      check(positions, own);
      own.turning = 2;
      own.interleaved = true;
      own.softcap = 0.7;
      own.norm = 4;
      own.frequencies = true;
      check(positions, own);
    }
  }
}

TEST(cuda_forward_passes_of_images_are_the_native_ones) {
  Random random(70);
  Windows same;  // 3 × 3 on 7 × 6, with zeros around it
  same.input = same.output = {7, 6};
  same.kernel = {3, 3};
  same.padding = {1, 1};
  Windows strided = same;  // 3 × 2, every other row and column
  strided.kernel = {3, 2};
  strided.stride = {2, 2};
  strided.output = {4, 4};
  Windows wide = strided;  // on 4 × 4, dilated
  wide.input = {4, 4};
  wide.kernel = {2, 2};
  wide.stride = {1, 1};
  wide.dilation = {2, 3};
  wide.output = {4, 3};
  Windows pooled = wide;
  pooled.input = {4, 3};
  pooled.dilation = {1, 1};
  pooled.stride = {2, 2};
  pooled.output = {3, 2};
  for (const std::size_t groups : {1, 2}) {
    for (const bool largest : {false, true}) {
      Network network(random, 1, 4 * 42);
      network.convolution(same, 4, 4, groups, true).activation(ActivationKind::kRelu);
      network.parallel(true, [&](Network& own) { own.convolution(same, 4, 4, 4, false).batch_norm(42); });
      network.convolution(strided, 4, 6, groups, false).convolution(wide, 6, 4, groups, true);
      network.pool(pooled, 4, largest, groups == 2).linear(3, true);
      check_vectors<double>(network, 9);
      check_vectors<float>(network, 4);
    }
  }
  Network only(random, 1, 2 * 12);
  only.pool(pooled, 2, true, true).linear(2, false);
  check_vectors<double>(only, 130);
}

TEST(cuda_forward_passes_of_branches_are_the_native_ones) {
  Random random(71);
  for (const bool residual : {false, true}) {
    Network network(random, 4, 6);
    Network::Softmax own;
    own.outputs = 6;
    own.causal = true;
    network.parallel(
        residual, [&](Network& one) { one.norm<RmsNormView>(true, false).softmax(own); },
        [&](Network& other) {
          other.gated(9, 6, ActivationKind::kSilu, true, false).parallel(true, [](Network& inner) {
            inner.linear(5, true).bilinear(7, 6, true, false);
          });
        },
        [&](Network& third) { third.linear(6, false); });
    network.linear(5, true).parallel(false,
                                     [](Network& last) { last.hidden(70, 3, ActivationKind::kGelu, false, true); });
    check_vectors<double>(network, 37);
    check_vectors<float>(network, 9);
  }
}

TEST(cuda_forward_passes_take_tokens) {
  Random random(64);
  Network network(random, 4, 50);
  network.linear(6, true).attention(2, 2, 6, true, true, false).linear(50, false);
  const std::vector<std::int32_t> tokens = network.tokens(45);
  check_against_native<double>(network, {{}, tokens.data(), 45});
  check_against_native<float>(network, {{}, tokens.data(), 45});
  Network table(random, 2, 9);
  table.linear(5, true);
  const std::vector<std::int32_t> few = table.tokens(11);
  check_against_native<double>(table, {{}, few.data(), 11});
}

TEST(cuda_outputs_do_not_depend_on_the_batch) {
  Random random(65);
  Network network(random, 3, 7);
  network.linear(8, true).attention(2, 4, 8, false, true, true).gated(9, 8, ActivationKind::kSilu, true, false);
  Alone alone;
  const std::size_t batch = 50, size = 3 * 8;
  const std::vector<double> x = network.vectors(batch);
  const CudaForwardPointer pass = prepared<double>(api(), network, false);
  std::vector<double> all(batch * size), one(size);
  pass->evaluate(alone.context, {column(x), nullptr, batch}, all.data());
  for (std::size_t s = 0; s < batch; s += 7) {
    const MatrixView input = MatrixView::row_major(x.data() + s * 21, 21, 1);
    pass->evaluate(alone.context, {input, nullptr, 1}, one.data());
    CHECK(std::equal(one.begin(), one.end(), all.begin() + static_cast<std::ptrdiff_t>(s * size)));
  }
  pass->evaluate(alone.context, {{}, nullptr, 0}, nullptr);
}

TEST(cuda_normal_numbers_are_the_native_ones_to_the_bit) {
  for (const std::size_t dimension : {1, 2, 7, 33}) {
    for (const std::size_t count : {1, 50}) {
      Alone alone;
      const NormalStream stream{0x12345678u + static_cast<std::uint32_t>(dimension), 0x9abcdef0u, dimension};
      std::vector<double> wanted(count * dimension);
      normals(alone.context, stream, 4294967200u, count, wanted.data());
      on_every_device([&] {
        std::vector<double> found(wanted.size(), NAN);
        cuda_normals(alone.context, api(), 0, stream, 4294967200u, count, found.data());
        CHECK(found == wanted);
      });
    }
  }
}

// Products of kept outputs, with and without weights, in all and per output: as plain loops have them.
TEST(cuda_products_of_kept_outputs) {
  Random random(66);
  for (const std::size_t width : {3, 8}) {
    const std::size_t positions = 2, batch = 21;
    Network one(random, positions, 5), other(random, positions, 5);
    for (Network* network : {&one, &other}) network->bilinear(6, width, true, false);
    Alone alone;
    const std::vector<double> x = one.vectors(batch);
    const CudaInputs inputs{column(x), nullptr, batch};
    const std::vector<double> outputs[2] = {native_outputs<double>(alone.context, one, inputs),
                                            native_outputs<double>(alone.context, other, inputs)};
    std::vector<double> roots(batch);
    for (double& root : roots) root = 0.5 + 0.4 * random.number();
    for (const bool weighted : {false, true}) {
      for (const bool per_output : {false, true}) {
        const std::size_t slices = per_output ? width : 1;
        const std::vector<std::uint32_t> pairs{0, 0, 0, 1, 1, 1};
        std::vector<double> wanted(3 * batch * slices);
        for (std::size_t p = 0; p < 3; ++p) {
          for (std::size_t i = 0; i < batch * positions * width; ++i) {
            const std::size_t s = i / positions / width, c = per_output ? i % width : 0;
            const double root = weighted ? roots[s] : 1;
            wanted[(p * batch + s) * slices + c] +=
                root * root * outputs[pairs[2 * p]][i] * outputs[pairs[2 * p + 1]][i];
          }
        }
        on_every_device([&] {
          const std::vector<double> weights = weighted ? roots : std::vector<double>();
          const CudaModelPointer kept[2] = {
              prepared<double>(api(), one, false)->keep(alone.context, inputs, weights, per_output),
              prepared<double>(api(), other, false)->keep(alone.context, inputs, weights, per_output)};
          const std::vector<const CudaModel*> models{kept[0].get(), kept[1].get()};
          std::vector<double> found(wanted.size(), NAN);
          cuda_sample_products(alone.context, api(), models, pairs, batch, positions, width, per_output, found.data());
          const double scale = largest(wanted);
          for (std::size_t i = 0; i < wanted.size(); ++i) CHECK_CLOSE(found[i], wanted[i], 1e-13, scale);
          const GramTile tile =
              cuda_gram_tile(alone.context, api(), {Measure::kGaussian, true, per_output}, models, models);
          for (std::size_t p = 0; p < 3; ++p) {
            const std::size_t cell = pairs[2 * p] * 2 + pairs[2 * p + 1];
            double total = 0;
            for (std::size_t c = 0; c < slices; ++c) {
              double sum = 0;
              for (std::size_t s = 0; s < batch; ++s) sum += wanted[(p * batch + s) * slices + c];
              if (per_output) CHECK_CLOSE(tile.per_output[cell * slices + c], sum, 1e-12, scale * 21);
              total += sum;
            }
            CHECK_CLOSE(tile.total[cell], total, 1e-12, scale * 21);
          }
        });
      }
    }
  }
}

TEST(cuda_forward_passes_stop_when_aborted_and_give_back_what_they_took) {
  Random random(67);
  Network network(random, 1, 4);
  network.bilinear(8, 4, false, false);
  HostDevice& device = HostDevice::at(0);
  const std::vector<double> x = network.vectors(100);
  std::vector<double> y(400);
  {
    Alone alone;
    const CudaForwardPointer pass = prepared<double>(api(), network, false);
    const std::size_t held = device.used();
    CHECK(!emulated() || held == pass->bytes());
    alone.control.abort();
    bool aborted = false;
    try {
      pass->evaluate(alone.context, {column(x), nullptr, 100}, y.data());
    } catch (const Aborted&) {
      aborted = true;
    }
    CHECK(aborted && device.used() == held);
    device.limit = held + 100;
    bool refused = false;
    try {
      Alone another;
      pass->evaluate(another.context, {column(x), nullptr, 100}, y.data());
    } catch (const Error& error) {
      refused = std::string(error.code()) == "MEMORY_LIMIT";
    }
    device.limit = SIZE_MAX;
    CHECK((refused || !emulated()) && device.used() == held);
    Network pools(random, 1, 4);
    pools.layers.push_back(PoolView());  // of one pixel
    refused = false;
    try {
      prepared<double>(api(), pools, false);
    } catch (const Error& error) {
      refused = std::string(error.what()).find("do not fit") != std::string::npos;
    }
    CHECK(refused && device.used() == held);
  }
  CHECK(device.used() == 0);
}

}  // namespace tensim::test
