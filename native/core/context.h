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
    pool.parallel_for(count, threads, [&](std::size_t i) {
      control.throw_if_aborted();
      task(i);
    });
  }
};

}  // namespace tensim
