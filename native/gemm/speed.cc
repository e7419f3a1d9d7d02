#include "speed.h"

#include <algorithm>
#include <chrono>
#include <type_traits>

#include "../core/aligned_buffer.h"

namespace tensim {
namespace {

template <class Run>
double seconds(const Run& run) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  run();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

template <class T>
Speed measure_speed(const KernelSet& kernels) {
  constexpr int kRuns = 3;
  constexpr std::size_t kSteps = std::size_t{1} << 14;
  const auto peak = std::is_same_v<T, double> ? kernels.peak_f64 : kernels.peak_f32;
  const double flops = static_cast<double>(peak_flops_per_step(kernels.of<T>()) * kSteps);
  volatile double sink = 0;
  Speed speed{0, 0};
  for (int i = 0; i < kRuns; ++i) {
    speed.flops = std::max(speed.flops, flops / seconds([&] { sink = sink + peak(kSteps); }));
  }
  const std::size_t length = (std::size_t{4} << 20) / sizeof(T);
  AlignedBuffer<T> a = AlignedBuffer<T>::zeros(length), b = AlignedBuffer<T>::zeros(length),
                   c = AlignedBuffer<T>::zeros(length);
  for (int i = 0; i < kRuns; ++i) {
    const double time =
        seconds([&] { kernels.of<T>().multiply(length, T(1), a.data(), T(1), b.data(), c.data(), false); });
    speed.bytes = std::max(speed.bytes, static_cast<double>(3 * length * sizeof(T)) / time);
  }
  return speed;
}

template Speed measure_speed<double>(const KernelSet&);
template Speed measure_speed<float>(const KernelSet&);

}  // namespace tensim
