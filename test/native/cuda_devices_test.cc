// Several devices: models are on each of them, tiles have the same bits on all, and none touches what is another's. On
// a GPU (emulated_cuda.h) with all that are visible, which may be one.
#include <thread>

#include "addon/cuda/closure.h"
#include "addon/cuda/library.h"
#include "addon/cuda/units.h"
#include "chain.h"
#include "check.h"
#include "cuda/host_device.h"
#include "cuda/model.h"
#include "cuda/peak_kernel.h"
#include "emulated_cuda.h"
#include "gaussian/one_block.h"
#include "units.h"

namespace tensim::test {
namespace {

using cuda::DeviceError;
using cuda::HostDevice;

// Three, where they are emulated.
class Devices {
 public:
  Devices() {
    if (emulated()) HostDevice::visible() = 3;
    std::int32_t count = 0;
    TensimCudaError error{};
    check_cuda(api().device_count(&count, &error), error);
    for (int device = 0; device < count; ++device) numbers.push_back(device);
  }
  ~Devices() { HostDevice::visible() = 1; }
  Devices(const Devices&) = delete;
  Devices& operator=(const Devices&) = delete;

  CudaDevices numbers;
};

// Bytes that are allocated on each.
std::vector<std::size_t> used(const CudaDevices& devices) {
  std::vector<std::size_t> result;
  for (int device : devices) result.push_back(HostDevice::at(device).used());
  return result;
}

// tile(device) on all devices at the same time, each by a thread of its own, and then in turn by this one.
template <class Tile>
void check_same_bits(const CudaDevices& devices, const Tile& tile) {
  const std::vector<double> wanted = tile(0).per_output;
  CHECK(!wanted.empty());
  std::vector<GramTile> found(devices.size());
  std::vector<std::thread> threads;
  for (int device : devices) {
    threads.emplace_back([&, device] { found[static_cast<std::size_t>(device)] = tile(device); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const GramTile& own : found) CHECK(own.per_output == wanted);
  for (int device : {devices.back(), devices.front(), devices.back()}) CHECK(tile(device).per_output == wanted);
}

// models[device] of all that were prepared.
template <class Pointer>
auto of_device(const std::vector<std::vector<Pointer>>& models, int device) {
  std::vector<decltype(models.front().front().get())> result;
  for (const auto& each : models) result.push_back(each[static_cast<std::size_t>(device)].get());
  return result;
}

constexpr GramJob kJob{Measure::kGaussian, true, true};

TEST(cuda_pairs_and_vectors_have_the_same_bits_on_every_device) {
  const Devices devices;
  Alone alone(2);
  Random random(61);
  for (DType dtype : {DType::kFloat64, DType::kFloat32}) {
    for (Route route : {Route::kFactor, Route::kDense}) {
      std::vector<std::vector<CudaModelPointer>> models;
      for (std::size_t units : {20, 37, 9}) {
        Chain chain(random, 11, 1);
        chain.bilinear(units, 4, 0);
        const QuadraticMap map = fold_one_block(alone.context, chain.view());
        models.push_back(on_each<CudaModelPointer>(alone.context, devices.numbers, [&](int device) {
          return prepare_cuda(alone.context, api(), device, dtype, map, route, 1);
        }));
      }
      check_same_bits(devices.numbers, [&](int device) {
        Alone own;
        const auto all = of_device(models, device);
        return cuda_gram_tile(own.context, api(), kJob, all, all);
      });
    }
  }
}

TEST(cuda_closures_two_blocks_and_tensors_have_the_same_bits_on_every_device) {
  const Devices devices;
  Alone alone(2);
  Random random(62);
  for (Method method : {Method::kClosure, Method::kTwoBlock, Method::kTensor}) {
    const std::size_t positions = method == Method::kClosure ? 2 : 1;
    std::vector<std::vector<CudaClosurePointer>> models;
    for (std::size_t units : {5, 8}) {
      Chain chain(random, 4, positions);
      if (method == Method::kClosure) chain.attention(2, 3, true, 100, true);
      chain.bilinear(units, 4, method == Method::kTensor ? 0 : 0.5).bilinear(6, 3, 0);
      models.push_back(
          prepare_cuda_closure(alone.context, api(), devices.numbers, method, DType::kFloat64, chain.view()));
    }
    check_same_bits(devices.numbers, [&](int device) {
      Alone own;
      const auto all = of_device(models, device);
      return cuda_closure_tile(own.context, api(), kJob, all, all);
    });
  }
}

TEST(cuda_units_have_the_same_bits_on_every_device) {
  const Devices devices;
  Alone alone(2);
  Random random(63);
  std::vector<std::vector<CudaUnitsPointer>> models;
  for (bool gated : {false, true}) {
    const FoldedUnits units = draw(random, {6, 20, 3}, ActivationKind::kSilu, gated, nullptr);
    models.push_back(on_each<CudaUnitsPointer>(alone.context, devices.numbers, [&](int device) {
      return prepare_cuda_units(alone.context, api(), device, DType::kFloat64, units, 1);
    }));
  }
  check_same_bits(devices.numbers, [&](int device) {
    Alone own;
    const auto all = of_device(models, device);
    return cuda_units_tile(own.context, api(), kJob, all, all);
  });
}

TEST(cuda_models_take_memory_of_their_own_device_and_give_it_back) {
  if (!emulated()) return;
  const Devices devices;
  const std::vector<std::size_t> before = used(devices.numbers);
  {
    Alone alone(2);
    Random random(64);
    Chain chain(random, 11, 1);
    chain.bilinear(20, 4, 0);
    const QuadraticMap map = fold_one_block(alone.context, chain.view());
    const auto prepare = [&](int device) {
      return prepare_cuda(alone.context, api(), device, DType::kFloat64, map, Route::kFactor, 1);
    };
    const auto second = prepare(1);
    std::vector<std::size_t> wanted = before;
    wanted[1] += second->bytes();
    CHECK(used(devices.numbers) == wanted);
    const auto all = on_each<CudaModelPointer>(alone.context, devices.numbers, prepare);
    for (std::size_t& bytes : wanted) bytes += second->bytes();
    CHECK(used(devices.numbers) == wanted);
    // One has no room: the others give back what they have.
    HostDevice::at(2).limit = HostDevice::at(2).used() + 100;
    std::string code;
    try {
      on_each<CudaModelPointer>(alone.context, devices.numbers, prepare);
    } catch (const Error& error) {
      code = error.code();
    }
    HostDevice::at(2).limit = SIZE_MAX;
    CHECK(code == "MEMORY_LIMIT");
    CHECK(used(devices.numbers) == wanted);
    // A tile of models of two devices is none.
    code.clear();
    try {
      cuda_gram_tile(alone.context, api(), {Measure::kGaussian, false, false}, {all[0].get()}, {all[1].get()});
    } catch (const Error& error) {
      code = error.code();
    }
    CHECK(code == "INVALID_ARGUMENT");
  }
  CHECK(used(devices.numbers) == before);
}

TEST(cuda_emulated_devices_refuse_what_is_not_theirs) {
  if (!emulated()) return;
  const Devices devices;
  HostDevice &first = HostDevice::at(0), &second = HostDevice::at(1);
  const auto refused = [](const auto& call) {
    try {
      call();
    } catch (const DeviceError& error) {
      return error.status == TENSIM_CUDA_FAILED;
    }
    return false;
  };
  const auto with = [](HostDevice& device, const auto& call) {
    device.use();
    call();
  };
  double* own = nullptr;
  double* other = nullptr;
  with(first, [&] { own = static_cast<double*>(first.allocate(4 * sizeof(double))); });
  with(second, [&] { other = static_cast<double*>(second.allocate(4 * sizeof(double))); });
  const double values[4] = {1, 2, 3, 4};
  // Every thread has a device of its own, and begins with the first.
  std::thread([&] { CHECK(refused([&] { second.upload(other, values, sizeof values); })); }).join();
  with(second, [&] {
    CHECK(refused([&] { first.allocate(8); }));
    CHECK(refused([&] { first.upload(own, values, sizeof values); }));
    CHECK(refused([&] { first.download(own, sizeof values, {}); }));
    CHECK(refused([&] { first.moment(); }));
    CHECK(refused([&] { second.upload(own, values, sizeof values); }));
    CHECK(refused([&] { second.download(own, sizeof values, {}); }));
    CHECK(refused([&] { second.upload(other, &own, sizeof own); }));  // a list of another's memory
    CHECK(refused([&] { second.launch<cuda::PeakKernel<double>>(1, {1, own}); }));
    CHECK(refused([&] { second.upload(other + 2, values, sizeof values); }));
    second.upload(other, values, sizeof values);
    second.release(other);
  });
  with(first, [&] { first.release(own); });
}

}  // namespace
}  // namespace tensim::test
