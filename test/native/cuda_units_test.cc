// The method hidden of the CUDA backend: its kernels under the emulation of native/cuda/grid.h, or on a GPU
// (emulated_cuda.h).
#include <numeric>

#include "addon/cuda/library.h"
#include "addon/cuda/units.h"
#include "chain.h"
#include "check.h"
#include "cuda/host_device.h"
#include "emulated_cuda.h"
#include "gaussian/hidden_pair.h"
#include "similarity/hidden_tile.h"
#include "units.h"

namespace tensim::test {
namespace {

using cuda::HostDevice;
using cuda::LaunchLimits;
using cuda::ThreadOrder;
using Kind = ActivationKind;

struct Member {
  Shape shape;
  Kind kind;
  bool gated;
};

std::vector<FoldedUnits> drawn(unsigned seed, const std::vector<Member>& members) {
  Random random(seed);
  std::vector<FoldedUnits> folded;
  for (const Member& member : members) {
    folded.push_back(draw(random, member.shape, member.kind, member.gated, folded.empty() ? nullptr : &folded.front()));
  }
  return folded;
}

// All members with all others, on the CPU and on the device.
template <class T>
void check_against_cpu(unsigned seed, const std::vector<Member>& members, double tolerance) {
  Alone alone;
  const std::vector<FoldedUnits> folded = drawn(seed, members);
  std::vector<std::unique_ptr<PreparedHidden<T>>> on_cpu;
  std::vector<CudaUnitsPointer> on_device;
  for (const FoldedUnits& units : folded) {
    on_cpu.push_back(std::make_unique<PreparedHidden<T>>(prepare_hidden<T>(alone.context, units, 2)));
    on_device.push_back(prepare_cuda_units(alone.context, api(), 0, DTypeOf<T>::value, units, 2));
  }
  const auto cpu = pointers(on_cpu);
  const auto device = pointers(on_device);
  const std::size_t count = members.size(), outputs = members.front().shape.outputs;
  const GramTile norms = hidden_tile<T>(alone.context, {Measure::kGaussian, true, true, true}, cpu, cpu);
  for (bool symmetric : {true, false}) {
    const GramJob job{Measure::kGaussian, symmetric, true, true};
    const GramTile wanted = hidden_tile<T>(alone.context, job, cpu, cpu);
    const GramTile found = cuda_units_tile(alone.context, api(), job, device, device);
    const GramTile plain =
        cuda_units_tile(alone.context, api(), {Measure::kGaussian, symmetric, false, false}, device, device);
    CHECK(plain.per_output.empty() && plain.per_degree.empty());
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < count; ++j) {
        const std::size_t at = i * count + j;
        const double size = std::sqrt(norms.total[i * (count + 1)] * norms.total[j * (count + 1)]);
        CHECK_CLOSE(found.total[at], wanted.total[at], tolerance, size);
        CHECK_CLOSE(plain.total[at], wanted.total[at], tolerance, size);
        const double* const slices = found.per_output.data() + at * outputs;
        CHECK(found.total[at] == std::accumulate(slices, slices + outputs, 0.0));
        if (symmetric) CHECK(found.total[at] == found.total[j * count + i]);
        // Scales are no more than three times the norms.
        CHECK(found.bound[at] >= 0 && found.bound[at] <= 9.001 * kSeriesTolerance<T> * size);
        for (std::size_t n = 0; n < kDegrees; ++n) {
          CHECK_CLOSE(found.per_degree[at * kDegrees + n], wanted.per_degree[at * kDegrees + n], tolerance, size);
        }
        for (std::size_t c = 0; c < outputs; ++c) {
          CHECK_CLOSE(found.per_output[at * outputs + c], wanted.per_output[at * outputs + c], tolerance,
                      std::sqrt(norms.per_output[i * (count + 1) * outputs + c] *
                                norms.per_output[j * (count + 1) * outputs + c]));
        }
      }
    }
  }
}

template <class T>
void check_bits(const std::vector<Member>& members) {
  Alone alone;
  std::vector<CudaUnitsPointer> models;
  for (const FoldedUnits& units : drawn(9, members)) {
    models.push_back(prepare_cuda_units(alone.context, api(), 0, DTypeOf<T>::value, units, 1));
  }
  const GramJob job{Measure::kGaussian, false, true, true};
  const auto tile = [&] { return cuda_units_tile(alone.context, api(), job, pointers(models), pointers(models)); };
  const auto same = [](const GramTile& a, const GramTile& b) {
    return a.total == b.total && a.per_output == b.per_output && a.per_degree == b.per_degree && a.bound == b.bound;
  };
  const GramTile forward = tile();
  HostDevice::at(0).order = ThreadOrder::kBackward;
  CHECK(same(forward, tile()));
  HostDevice::at(0).order = ThreadOrder::kForward;
  for (const LaunchLimits& limits : {LaunchLimits{0, SIZE_MAX}, LaunchLimits{1e300, 20000}}) {
    HostDevice::at(0).limits = limits;
    CHECK(same(forward, tile()));
  }
  HostDevice::at(0).limits = {};
  const GramTile one = cuda_units_tile(alone.context, api(), job, {models[2].get()}, {models[1].get()});
  CHECK(one.total[0] == forward.total[2 * models.size() + 1]);
  CHECK(one.bound[0] == forward.bound[2 * models.size() + 1]);
}

}  // namespace

TEST(cuda_units_do_not_depend_on_the_order_of_threads_nor_on_other_models_nor_on_what_shares_a_launch) {
  check_bits<double>(
      {{{9, 140, 3}, Kind::kRelu, false}, {{9, 20, 3}, Kind::kSilu, true}, {{9, 150, 3}, Kind::kRelu, false}});
  check_bits<float>(
      {{{9, 20, 2}, Kind::kSilu, true}, {{9, 135, 2}, Kind::kRelu, true}, {{9, 30, 2}, Kind::kGelu, false}});
}

TEST(cuda_units_that_are_listed_beyond_what_there_is_room_for_are_all_taken) {
  // Of one input all directions are along or against each other.
  check_against_cpu<double>(10, {{{1, 140, 2}, Kind::kRelu, false}, {{1, 131, 2}, Kind::kRelu, false}}, 1e-12);
}

TEST(cuda_units_of_few_terms_no_inputs_no_outputs_or_none_are_handled) {
  check_against_cpu<double>(11, {{{6, 9, 2}, Kind::kSquare, false}, {{6, 20, 2}, Kind::kIdentity, true}}, 1e-12);
  check_against_cpu<double>(12, {{{6, 9, 2}, Kind::kGelu, false}, {{6, 0, 2}, Kind::kGelu, false}}, 1e-12);
  check_against_cpu<double>(13, {{{0, 4, 2}, Kind::kGelu, false}, {{0, 3, 2}, Kind::kGelu, false}}, 1e-12);
  check_against_cpu<double>(14, {{{3, 4, 0}, Kind::kGelu, false}, {{3, 3, 0}, Kind::kGelu, true}}, 1e-12);
}

TEST(cuda_units_take_long_inputs_and_many_outputs) {
  check_against_cpu<double>(15, {{{150, 20, 40}, Kind::kGelu, false}, {{150, 30, 40}, Kind::kTanh, false}}, 1e-12);
  check_against_cpu<float>(16, {{{150, 20, 40}, Kind::kSilu, true}, {{150, 30, 40}, Kind::kGelu, true}}, 1e-5);
}

TEST(cuda_units_that_are_aborted_or_out_of_memory_end_with_that_and_give_everything_back) {
  if (!emulated()) return;
  HostDevice& device = HostDevice::at(0);
  const std::size_t before = device.used();
  {
    Alone alone;
    const std::vector<FoldedUnits> folded =
        drawn(17, {{{6, 40, 3}, Kind::kRelu, false}, {{6, 30, 3}, Kind::kRelu, false}});
    const auto prepared = [&](std::size_t i) {
      return prepare_cuda_units(alone.context, api(), 0, DType::kFloat64, folded[i], 1);
    };
    const CudaUnitsPointer a = prepared(0), b = prepared(1);
    const std::size_t held = device.used();
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
    const auto tile = [&] {
      cuda_units_tile(alone.context, api(), {Measure::kGaussian, false, true, true}, {a.get()}, {b.get()});
    };
    device.limit = held + 1000;
    CHECK(code_of(tile) == "MEMORY_LIMIT");
    CHECK(code_of([&] { prepared(0); }) == "MEMORY_LIMIT");
    device.limit = SIZE_MAX;
    CHECK(code_of(tile).empty());
    CHECK(alone.control.total() > 0 && alone.control.done() == alone.control.total());
    alone.control.abort();
    CHECK(code_of(tile) == "aborted");
    CHECK(code_of([&] { prepared(0); }) == "aborted");
    CHECK(device.used() == held);
  }
  CHECK(device.used() == before);
}

TEST(cuda_hidden_units_agree_with_those_of_the_cpu) {
  check_against_cpu<double>(1, {{{20, 40, 3}, Kind::kGelu, false}, {{20, 150, 3}, Kind::kGelu, false}}, 1e-12);
  check_against_cpu<double>(2, {{{37, 130, 2}, Kind::kRelu, false}, {{37, 33, 2}, Kind::kTanh, false}}, 1e-12);
}

TEST(cuda_gated_units_agree_with_those_of_the_cpu) {
  check_against_cpu<double>(3, {{{20, 40, 3}, Kind::kSilu, true}, {{20, 70, 3}, Kind::kSilu, true}}, 1e-12);
}

TEST(cuda_gated_steps_and_mixed_units_agree_with_those_of_the_cpu) {
  check_against_cpu<double>(
      4, {{{12, 20, 3}, Kind::kRelu, true}, {{12, 30, 3}, Kind::kGelu, false}, {{12, 17, 3}, Kind::kHeaviside, true}},
      1e-12);
}

TEST(cuda_units_in_float32_agree_with_those_of_the_cpu) {
  check_against_cpu<float>(5, {{{20, 40, 3}, Kind::kGelu, false}, {{20, 140, 3}, Kind::kRelu, false}}, 1e-5);
  check_against_cpu<float>(6, {{{20, 40, 3}, Kind::kSilu, true}, {{20, 70, 3}, Kind::kSilu, true}}, 1e-5);
}

}  // namespace tensim::test
