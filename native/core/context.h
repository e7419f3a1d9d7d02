#pragma once

#include "../gemm/kernels.h"
#include "control.h"
#include "thread_pool.h"

namespace tensim {

// What every computation is given: the kernels to use, the threads to use them on, and the caller's wishes.
struct Context {
  const KernelSet& kernels;
  ThreadPool& pool;
  unsigned threads;
  Control& control;

  // `task(0) … task(count − 1)` on the context's threads; each is skipped with Aborted once the control is aborted.
  template <class Task>
  void parallel_for(std::size_t count, const Task& task) const {
    run(count, threads, task);
  }

  // The same for tasks of about `work` operations each, on so few threads that each has enough to do to be worth
  // waking.
  template <class Task>
  void parallel_for(std::size_t count, std::size_t work, const Task& task) const {
    constexpr std::size_t kWorthAThread = std::size_t{1} << 16;
    const std::size_t worth = count * work / kWorthAThread + 1;
    run(count, worth < threads ? static_cast<unsigned>(worth) : threads, task);
  }

 private:
  template <class Task>
  void run(std::size_t count, unsigned most, const Task& task) const {
    pool.parallel_for(count, most, [&](std::size_t i) {
      control.throw_if_aborted();
      task(i);
    });
  }
};

}  // namespace tensim
