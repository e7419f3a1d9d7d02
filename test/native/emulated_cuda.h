// The table of the CUDA backend's functions with the host as its device.
#pragma once

#include <type_traits>
#include <vector>

#include "core/context.h"
#include "core/thread_pool.h"
#include "cuda/interface.h"
#include "gemm/kernels.h"

namespace tensim::test {

// With the environment variable TENSIM_TESTS_CUDA_LIBRARY that of the library it names, on its first device: the same
// cases then run on a GPU.
const TensimCudaApi& api();

// Whether the device is the host, which can be told how to behave (cuda/host_device.h).
bool emulated();

// What a computation needs that shares nothing with others.
struct Alone {
  explicit Alone(unsigned threads = 1)
      : context{kernels_for(available_instruction_sets().back()), pool, threads, control} {}

  ThreadPool pool;
  Control control;
  Context context;
};

template <class Models>
auto pointers(const Models& models) {
  std::vector<const std::decay_t<decltype(*models.front())>*> result;
  for (const auto& model : models) result.push_back(&*model);
  return result;
}

}  // namespace tensim::test
