#pragma once

#include <atomic>
#include <cstdint>

#include "error.h"

namespace tensim {

// How one asynchronous call is steered and watched. The JavaScript thread sets `aborted` and reads the counters at any
// moment; the pool's threads poll the one and advance the others. Progress is counted in flops, so that it is even
// across uneven tasks.
class Control {
 public:
  void abort() { aborted_.store(true, std::memory_order_relaxed); }
  bool aborted() const { return aborted_.load(std::memory_order_relaxed); }
  void throw_if_aborted() const {
    if (aborted()) throw Aborted{};
  }

  void expect(std::uint64_t total) { total_.store(total, std::memory_order_relaxed); }
  void advance(std::uint64_t amount) { done_.fetch_add(amount, std::memory_order_relaxed); }
  std::uint64_t done() const { return done_.load(std::memory_order_relaxed); }
  std::uint64_t total() const { return total_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> aborted_{false};
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> total_{0};
};

}  // namespace tensim
