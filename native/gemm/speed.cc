#include "speed.h"

#include <algorithm>
#include <chrono>
#include <type_traits>

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
double measure_speed(const KernelSet& kernels) {
  constexpr int kRuns = 3;
  constexpr std::size_t kSteps = std::size_t{1} << 14;
  const auto peak = std::is_same_v<T, double> ? kernels.peak_f64 : kernels.peak_f32;
  const double flops = static_cast<double>(peak_flops_per_step(kernels.of<T>()) * kSteps);
  volatile double sink = 0;
  double best = 0;
  for (int i = 0; i < kRuns; ++i) {
    best = std::max(best, flops / seconds([&] { sink = sink + peak(kSteps); }));
  }
  return best;
}

template double measure_speed<double>(const KernelSet&);
template double measure_speed<float>(const KernelSet&);

}  // namespace tensim
