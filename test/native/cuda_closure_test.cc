// The closure of the CUDA backend on the host: its kernels under the emulation of native/cuda/grid.h, against the CPU's
// closure. Nothing here runs on a GPU.
#include <numeric>

#include "addon/cuda/closure.h"
#include "chain.h"
#include "check.h"
#include "cuda/host_device.h"
#include "emulated_cuda.h"

namespace tensim::test {
namespace {

using cuda::HostDevice;
using cuda::LaunchLimits;
using cuda::ThreadOrder;

std::vector<CudaClosurePointer> prepared(const Context& context, const std::vector<const Chain*>& chains, DType dtype,
                                         Method method = Method::kClosure) {
  std::vector<CudaClosurePointer> models;
  for (const Chain* chain : chains) {
    models.push_back(prepare_cuda_closure(context, api(), 0, method, dtype, chain->view()));
  }
  return models;
}

std::vector<const CudaClosure*> pointers(const std::vector<CudaClosurePointer>& models) {
  std::vector<const CudaClosure*> result;
  for (const CudaClosurePointer& model : models) result.push_back(model.get());
  return result;
}

// Tiles of all chains, symmetric or not, against those of the CPU.
void check_against_cpu(const std::vector<const Chain*>& chains, Method method = Method::kClosure) {
  Alone alone(2);
  const std::size_t count = chains.size();
  for (DType dtype : {DType::kFloat64, DType::kFloat32}) {
    const double tolerance = dtype == DType::kFloat64 ? 1e-12 : 1e-5;
    std::list<AnyPrepared> on_cpu;
    std::vector<const AnyPrepared*> cpu;
    for (const Chain* chain : chains) {
      on_cpu.push_back(chain->prepared(alone.context, method, dtype));
      cpu.push_back(&on_cpu.back());
    }
    const std::vector<CudaClosurePointer> models = prepared(alone.context, chains, dtype, method);
    const GramTile wanted = gram_tile(alone.context, {Measure::kGaussian, true, true}, cpu, cpu);
    for (bool symmetric : {true, false}) {
      if (!thorough() && symmetric != (dtype == DType::kFloat64)) continue;
      const GramTile found = cuda_closure_tile(alone.context, api(), {Measure::kGaussian, symmetric, true},
                                               pointers(models), pointers(models));
      const GramTile plain = cuda_closure_tile(alone.context, api(), {Measure::kGaussian, symmetric, false},
                                               pointers(models), pointers(models));
      CHECK(plain.per_output.empty());
      const std::size_t outputs = models.front()->outputs;
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t j = 0; j < count; ++j) {
          const std::size_t at = i * count + j;
          const double norms = std::sqrt(wanted.total[i * count + i] * wanted.total[j * count + j]);
          CHECK_CLOSE(found.total[at], wanted.total[at], tolerance, norms);
          if (symmetric) CHECK(found.total[at] == found.total[j * count + i]);
          const double* const slices = found.per_output.data() + at * outputs;
          CHECK(found.total[at] == plain.total[at]);
          CHECK(found.total[at] == std::accumulate(slices, slices + outputs, 0.0));
          for (std::size_t c = 0; c < outputs; ++c) {
            CHECK_CLOSE(found.per_output[at * outputs + c], wanted.per_output[at * outputs + c], tolerance, norms);
          }
        }
      }
    }
  }
}

// Every chain meets every other: without the last one a sanitizer is through in half the time.
std::vector<const Chain*> some_of(std::vector<const Chain*> chains) {
  if (!thorough()) chains.pop_back();
  return chains;
}

}  // namespace

TEST(cuda_closure_of_bilinear_blocks_agrees_with_the_cpu) {
  Random random(11);
  for (std::size_t positions : {1u, 3u}) {
    // With and without residuals and D, of different depths, sizes beyond a tile and below; the last two have no block.
    Chain deep(random, 5, positions), wide(random, 5, positions), bare(random, 5, positions),
        none(random, 5, positions), same(random, 5, positions);
    deep.linear(6).bilinear(7, 6, 0.5).linear(4).bilinear(3, 4, 0.3).bilinear(5, 4, 0).linear(3);
    wide.bilinear(70, 33, 0).bilinear(9, 3, 0);
    bare.bilinear(5, 5, 0.4, false).linear(3);
    none.linear(3);
    check_against_cpu({&deep, &wide, &bare, &none});
    check_against_cpu({&same});
  }
}

TEST(cuda_tensor_measure_agrees_with_the_cpu) {
  Random random(23);
  // Of the same depth, with and without residuals and D, sizes beyond a tile and below; then without a block.
  Chain deep(random, 5, 3), wide(random, 5, 3), bare(random, 5, 3), none(random, 5, 3), other(random, 5, 3);
  deep.linear(6).bilinear(7, 6, 0.5).linear(4).bilinear(3, 4, 0.3).linear(3);
  wide.bilinear(70, 33, 0).bilinear(9, 3, 0);
  bare.bilinear(5, 5, 0.4, false).bilinear(5, 5, 0, false).linear(3);
  check_against_cpu({&deep, &wide, &bare}, Method::kTensor);
  none.linear(3);
  other.linear(4).linear(3);
  check_against_cpu({&none, &other}, Method::kTensor);
}

TEST(cuda_chains_of_two_blocks_agree_with_the_cpu) {
  Random random(25);
  // Of no, one and two blocks, with and without residuals and D, of different ranks.
  Chain two(random, 5, 3, 0.7), wide(random, 5, 3, 0.7), narrow(random, 5, 3, 0.7), one(random, 5, 3),
      none(random, 5, 3);
  two.linear(6).bilinear(7, 6, 0.5).linear(4).bilinear(3, 4, 0.3).linear(3);
  wide.bilinear(40, 6, 0).bilinear(34, 3, 0);
  narrow.linear(2).bilinear(3, 2, 0.5).bilinear(2, 2, 0.4, false).linear(3);
  one.bilinear(5, 4, 0).linear(3);
  none.linear(3);
  check_against_cpu({&two, &wide, &narrow, &one, &none}, Method::kTwoBlock);
  // Units of which one at a time is taken.
  HostDevice::at(0).limits = {1e300, 1};
  check_against_cpu({&two, &narrow}, Method::kTwoBlock);
  HostDevice::at(0).limits = {};
}

TEST(cuda_tensor_measure_refuses_other_degrees_and_methods) {
  Alone alone(2);
  Random random(24);
  Chain one(random, 4, 1), two(random, 4, 1);
  one.bilinear(3, 4, 0.5);
  two.bilinear(3, 4, 0.5).bilinear(3, 4, 0.5);
  const auto code_of = [&](const CudaClosurePointer& a, const CudaClosurePointer& b) -> std::string {
    try {
      cuda_closure_tile(alone.context, api(), {Measure::kGaussian, false, false}, {a.get()}, {b.get()});
    } catch (const Error& error) {
      return error.code();
    }
    return "";
  };
  const auto tensors = prepared(alone.context, {&one, &two}, DType::kFloat64, Method::kTensor);
  const auto closures = prepared(alone.context, {&one, &two}, DType::kFloat64);
  CHECK(code_of(tensors[0], tensors[1]) == "SHAPE_MISMATCH");
  CHECK(code_of(tensors[0], closures[0]) == "INVALID_ARGUMENT");
  CHECK(code_of(tensors[1], tensors[1]).empty());
}

TEST(cuda_closure_of_attention_agrees_with_the_cpu) {
  Random random(12);
  for (bool biases : {false, true}) {
    for (bool causal : {false, true}) {
      if (!thorough() && biases != causal) continue;
      // Heads of several sizes, beyond a tile and below; a chain that waits, and one without a block.
      Chain two(random, 4, 3), other(random, 4, 3), one(random, 4, 3), none(random, 4, 3);
      two.attention(2, 3, causal, 100, biases).attention(1, 2, true, 0, biases).linear(5);
      other.attention(1, 4, true, 0, false).attention(3, 1, causal, 10, biases).linear(5);
      one.attention(2, 2, causal, 50, biases).linear(5);
      none.linear(5);
      check_against_cpu(some_of({&two, &one, &none, &other}));
    }
  }
}

TEST(cuda_closure_of_attention_without_a_residual_agrees_with_the_cpu) {
  Random random(17);
  for (bool biases : {true, false}) {
    if (!biases && !thorough()) continue;
    Chain two(random, 2, 3), other(random, 2, 3), one(random, 2, 3), none(random, 2, 3);
    two.attention(1, 3, true, 100, biases, 3).attention(2, 2, false, 0, biases, 2);
    other.attention(2, 1, true, 0, biases, 1).attention(1, 4, true, 5, biases, 2);
    one.attention(1, 1, true, 50, biases, 2);
    none.linear(2);
    check_against_cpu(some_of({&two, &one, &none, &other}));
  }
}

TEST(cuda_closure_of_large_heads_agrees_with_the_cpu) {
  Random random(13);
  Chain large(random, 3, 2, 0.25), small(random, 3, 2, 0.4);  // float32 would overflow
  large.linear(40).attention(1, 36, true, 100, true).attention(1, 33, false, 0, true).linear(2);
  small.linear(6).attention(1, 5, true, 100, true).attention(1, 34, true, 0, true).linear(2);
  check_against_cpu({&large, &small});
  if (!thorough()) return;
  // Whole tiles.
  Chain even(random, 8, 2, 0.25), same(random, 8, 2, 0.25);
  even.attention(2, 32, true, 100, false).attention(1, 32, true, 0, false).linear(2);
  same.attention(1, 32, true, 100, false).attention(1, 64, true, 0, false).linear(2);
  check_against_cpu({&even, &same});
}

TEST(cuda_closure_of_large_bilinear_blocks_agrees_with_the_cpu) {
  Random random(18);
  Chain even(random, 64, 1, 0.1), odd(random, 64, 1, 0.1);
  even.linear(64).bilinear(128, 64, 0).bilinear(64, 32, 0).linear(3);
  odd.linear(67).bilinear(130, 65, 0).bilinear(66, 33, 0).linear(3);
  check_against_cpu({&even, &odd});
}

TEST(cuda_closure_of_sums_over_a_great_depth_agrees_with_the_cpu) {
  Random random(19);
  // Of the input, and of the Jacobians of all positions.
  Chain bilinear(random, 1100, 1, 0.1), linear(random, 1100, 1, 0.1);
  bilinear.linear(3).bilinear(4, 2, 0);
  linear.linear(2);
  check_against_cpu({&bilinear, &linear});
  Chain attention(random, 3, 5, 0.3), waiting(random, 3, 5, 0.3);
  attention.linear(48).attention(1, 2, true, 100, true).attention(1, 2, false, 0, true).linear(2);
  waiting.linear(47).attention(1, 2, true, 100, true).linear(2);
  check_against_cpu({&attention, &waiting});
}

TEST(cuda_closure_of_attention_among_bilinear_blocks_agrees_with_the_cpu) {
  Random random(14);
  Chain first(random, 3, 3, 0.5), second(random, 3, 3, 0.5), shorter(random, 3, 3, 0.5), longer(random, 3, 3, 0.5);
  first.attention(2, 2, true, 10, true).linear(4).bilinear(6, 4, 0.5).linear(2);
  second.attention(1, 3, false, 0, true).bilinear(5, 3, 0).bilinear(4, 2, 0);
  shorter.attention(1, 2, true, 0, false).linear(2);
  longer.attention(1, 2, false, 0, false)
      .bilinear(4, 4, 0)
      .attention(2, 2, true, 7, true)
      .attention(1, 2, true, 0, true)
      .linear(2);
  check_against_cpu({&first, &second, &shorter});
  Chain alternate(random, 3, 3, 0.5);
  alternate.attention(1, 2, true, 0, true).bilinear(3, 3, 0.2).attention(1, 4, true, 9, false).linear(2);
  check_against_cpu({&longer, &alternate, &shorter});
}

// Blocks whose inputs have no mean have no Jacobian, or one that is the residual alone, for as long as nothing adds to
// the means.
TEST(cuda_closure_of_blocks_without_means_agrees_with_the_cpu) {
  Random random(20);
  for (std::size_t positions : {1u, 3u}) {
    Chain still(random, 4, positions, 0.7), residual(random, 4, positions, 0.7), bare(random, 4, positions, 0.7),
        turned(random, 4, positions, 0.7);
    still.bilinear(5, 4, 0, true, false).bilinear(3, 4, 0.4, true, false).linear(3, false);
    residual.linear(4, false).bilinear(6, 4, 0.5, true, false).linear(3, false);
    bare.bilinear(4, 4, 0.6, false, false).bilinear(4, 4, 0, false, false).linear(3, false);
    check_against_cpu({&still, &residual, &bare});
    // Means come with the first bias: of an output, of a linear layer, or of a block.
    turned.attention(2, 2, true, 100, false).linear(4, false).bilinear(3, 4, 0.3, true, false).linear(3, false);
    Chain biased(random, 4, positions, 0.7), later(random, 4, positions, 0.7);
    biased.attention(1, 3, true, 0, false).linear(4).bilinear(5, 4, 0, true, false).linear(3, false);
    later.attention(1, 2, false, 7, false).bilinear(5, 4, 0.2, true, false).linear(3, false);
    check_against_cpu({&turned, &biased, &later});
    // Twice attention: of the second, other positions are known of.
    Chain twice(random, 4, positions, 0.7), once(random, 4, positions, 0.7);
    twice.attention(2, 3, true, 100, false).attention(1, 4, false, 10, false).linear(3, false);
    once.attention(1, 5, false, 0, false).attention(3, 2, true, 10, true).linear(3, false);
    check_against_cpu({&twice, &once});
  }
}

TEST(cuda_closure_of_random_shapes_agrees_with_the_cpu) {
  for (unsigned seed = 0; seed < (thorough() ? 34 : 3); ++seed) {
    Random random(1000 + seed);
    const auto upto = [&](std::size_t most) { return 1 + random.index(most); };
    const auto sometimes = [&] { return random.index(2) == 0; };
    const std::size_t inputs = upto(12), positions = upto(3), outputs = upto(5), depth = upto(3);
    // Blocks that meet are of one kind, and keep the width, so that residuals fit.
    std::vector<bool> attention;
    for (std::size_t i = 0; i < depth; ++i) attention.push_back(sometimes());
    std::list<Chain> chains;
    for (std::size_t model = 0; model < 3; ++model) {
      Chain& chain = chains.emplace_back(random, inputs, positions, 0.6);
      std::size_t width = inputs;
      for (std::size_t i = 0; i < depth - (model == 2 ? depth / 2 : 0); ++i) {
        if (sometimes()) chain.linear(width = upto(12), sometimes());
        if (attention[i]) {
          const std::size_t heads = upto(positions == 1 ? 1 : 2), size = upto(positions == 1 ? 36 : 5);
          const std::size_t ends = sometimes() ? 0 : upto(9);
          chain.attention(heads, size, sometimes(), sometimes() ? 50 : 0, sometimes(), ends);
          if (ends != 0) width = ends;
        } else {
          const bool down = sometimes(), residual = sometimes(), biases = sometimes();
          const std::size_t ends = residual || !down ? width : upto(9), units = down ? upto(20) : width;
          chain.bilinear(units, ends, residual ? 0.4 : 0, down, biases);
          width = ends;
        }
      }
      chain.linear(outputs, sometimes());
    }
    std::vector<const Chain*> all;
    for (const Chain& chain : chains) all.push_back(&chain);
    check_against_cpu(all);
  }
}

// Who asks for the products refuses what is not finite.
TEST(cuda_closures_leave_the_range_of_numbers_where_the_cpu_does) {
  Alone alone(2);
  Random random(21);
  for (bool attention : {false, true}) {
    for (bool biases : {false, true}) {
      Chain small(random, 3, 2, 0.5), large(random, 3, 2, 1e9);
      for (Chain* chain : {&small, &large}) {
        for (unsigned block = 0; block < 2; ++block) {
          if (attention) {
            chain->attention(1, 2, true, 10, biases);
          } else {
            chain->bilinear(3, 3, 0, true, biases);
          }
        }
      }
      const AnyPrepared cpu_small = small.prepared(alone.context, Method::kClosure, DType::kFloat32),
                        cpu_large = large.prepared(alone.context, Method::kClosure, DType::kFloat32);
      const auto models = prepared(alone.context, {&small, &large}, DType::kFloat32);
      const GramJob job{Measure::kGaussian, false, false};
      const std::vector<const AnyPrepared*> cpu{&cpu_small, &cpu_large};
      const GramTile wanted = gram_tile(alone.context, job, cpu, cpu),
                     found = cuda_closure_tile(alone.context, api(), job, pointers(models), pointers(models));
      CHECK(std::isfinite(wanted.total[0]) && !std::isfinite(wanted.total[3]));
      CHECK(std::isfinite(found.total[0]) && !std::isfinite(found.total[3]));
    }
  }
}

TEST(cuda_closures_do_not_depend_on_the_order_of_threads_nor_on_other_models_nor_on_what_shares_a_launch) {
  Alone alone(2);
  Random random(15);
  Chain first(random, 4, 3), second(random, 4, 3), third(random, 4, 3);
  first.attention(2, 3, true, 100, true).attention(1, 4, true, 0, true).linear(5);
  second.attention(1, 35, true, 100, true).attention(2, 2, true, 0, true).linear(5);
  third.attention(3, 2, true, 100, true).bilinear(40, 5, 0);
  const std::vector<CudaClosurePointer> models = prepared(alone.context, {&first, &second}, DType::kFloat32),
                                        short_ones = prepared(alone.context, {&first, &third}, DType::kFloat32);
  HostDevice& device = HostDevice::at(0);
  const GramJob job{Measure::kGaussian, false, true};
  const GramTile forward = cuda_closure_tile(alone.context, api(), job, pointers(models), pointers(models));
  device.order = ThreadOrder::kBackward;
  const GramTile backward = cuda_closure_tile(alone.context, api(), job, pointers(models), pointers(models));
  const std::vector<CudaClosurePointer> prepared_backward = prepared(alone.context, {&first, &second}, DType::kFloat32);
  device.order = ThreadOrder::kForward;
  CHECK(forward.per_output == backward.per_output);
  const GramTile of_backward =
      cuda_closure_tile(alone.context, api(), job, pointers(prepared_backward), pointers(prepared_backward));
  CHECK(forward.per_output == of_backward.per_output);
  for (std::size_t i = 0; i < models.size(); ++i) CHECK(models[i]->means.values == prepared_backward[i]->means.values);
  // Pairs alone in their groups, and chains cut into many launches.
  for (const LaunchLimits& limits : {LaunchLimits{0, SIZE_MAX / 8}, LaunchLimits{1e300, 20000}}) {
    device.limits = limits;
    const GramTile divided = cuda_closure_tile(alone.context, api(), job, pointers(models), pointers(models));
    CHECK(forward.per_output == divided.per_output);
    const std::vector<CudaClosurePointer> again = prepared(alone.context, {&first, &second}, DType::kFloat32);
    const GramTile of_divided = cuda_closure_tile(alone.context, api(), job, pointers(again), pointers(again));
    CHECK(forward.per_output == of_divided.per_output);
  }
  device.limits = {};
  const GramTile one = cuda_closure_tile(alone.context, api(), job, {models[0].get()}, {models[1].get()});
  CHECK(one.total[0] == forward.total[1]);
}

TEST(cuda_closures_that_are_aborted_or_out_of_memory_end_with_that_and_give_everything_back) {
  HostDevice& device = HostDevice::at(0);
  const std::size_t before = device.used();
  {
    Alone alone(2);
    Random random(16);
    Chain chain(random, 4, 2), other(random, 4, 2), wide(random, 3, 2);
    chain.attention(2, 3, true, 100, true).linear(3);
    other.bilinear(3, 3, 0);
    wide.linear(3);
    const std::vector<CudaClosurePointer> models = prepared(alone.context, {&chain, &other, &wide}, DType::kFloat64);
    const std::size_t used = device.used();
    CHECK(models[0]->bytes() > 0 && (!emulated() || used > before));
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
    const auto tile = [&](std::size_t i, std::size_t j) {
      return code_of([&] {
        cuda_closure_tile(alone.context, api(), {Measure::kGaussian, false, false}, {models[i].get()},
                          {models[j].get()});
      });
    };
    if (emulated()) {
      device.limit = device.used() + 5000;
      CHECK(tile(0, 0) == "MEMORY_LIMIT");
      // Wherever preparing a chain runs out of it, everything is given back.
      for (const std::size_t room : {100u, 3000u, 10000u, 20000u}) {
        device.limit = used + room;
        CHECK(code_of([&] { prepared(alone.context, {&chain}, DType::kFloat64); }) == "MEMORY_LIMIT");
        CHECK(device.used() == used);
      }
      device.limit = SIZE_MAX;
    }
    CHECK(tile(0, 1) == "UNSUPPORTED_LAYER");
    CHECK(tile(0, 2) == "SHAPE_MISMATCH");
    CHECK(tile(0, 0).empty());
    CHECK(alone.control.total() > 0 && alone.control.done() == alone.control.total());
    alone.control.abort();
    CHECK(tile(0, 0) == "aborted");
    CHECK(code_of([&] { prepared(alone.context, {&chain}, DType::kFloat64); }) == "aborted");
    CHECK(device.used() == used);
  }
  CHECK(device.used() == before);
}

}  // namespace tensim::test
