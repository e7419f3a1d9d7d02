#pragma once

#include <algorithm>
#include <chrono>

#include "device.h"
#include "tile_product.h"

namespace tensim::cuda {

// What the tensor cores reach on registers alone, in the products that TileProduct takes: a ceiling to measure the
// other kernels by.
template <class T>
struct PeakKernel {
  static constexpr unsigned kThreads = 256;
  static constexpr unsigned kProducts = 8;  // that do not wait for each other

  struct Arguments {
    std::uint64_t rounds;
    double* sums;  // (blocks, kThreads)
  };
  struct Shared {};
  struct Registers {
    T a[4], b[2], c[kProducts][4];
  };

  static double flops(std::uint64_t blocks, std::uint64_t rounds) {
    constexpr double kPasses = sizeof(T) < sizeof(double) ? 3 : 1;
    return 2.0 * 16 * 8 * 8 / kPasses * kProducts * (kThreads / kWarp) * static_cast<double>(blocks * rounds);
  }

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.alone([](unsigned thread, Registers& own) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < 4; ++n) own.a[n] = own.b[n / 2] = static_cast<T>(1e-3) * static_cast<T>(thread % 7 + n);
      TENSIM_UNROLL
      for (unsigned n = 0; n < kProducts * 4; ++n) own.c[n / 4][n % 4] = T(0);
    });
    for (std::uint64_t round = 0; round < arguments.rounds; ++round) {
      TENSIM_UNROLL
      for (unsigned n = 0; n < kProducts; ++n) {
        block.multiply([&](Registers& own) { return Fragments<T>{own.c[n], own.a, own.b}; });
      }
    }
    block.alone([&](unsigned thread, Registers& own) {
      double sum = 0;
      TENSIM_UNROLL
      for (unsigned n = 0; n < kProducts * 4; ++n) sum += static_cast<double>(own.c[n / 4][n % 4]);
      arguments.sums[block.index * kThreads + thread] = sum;
    });
  }
};

// In flops per second: the best of some launches of some milliseconds.
template <class T, class Device>
double measure_peak(Device& device) {
  using Clock = std::chrono::steady_clock;
  const std::uint64_t blocks = device.processors(), rounds = Device::kPeakRounds;
  const DeviceBuffer<Device, double> sums(device, blocks * PeakKernel<T>::kThreads);
  double best = 0;
  for (int launch = 0; launch < 5; ++launch) {
    device.moment().wait();
    const Clock::time_point start = Clock::now();
    device.template launch<PeakKernel<T>>(blocks, {rounds, sums.data()});
    device.moment().wait();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, PeakKernel<T>::flops(blocks, rounds) / seconds);
  }
  return best;
}

}  // namespace tensim::cuda
