#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#include <type_traits>
#else
#include <cstring>
#include <memory>
#include <vector>
#endif

namespace tensim::cuda {

// Kernels are written once, for the GPU and for the host, where they can be tested without one. A kernel is a struct:
//
//   struct Kernel {
//     static constexpr unsigned kThreads;          // of a block
//     struct Arguments;                            // plain data, the same for all blocks
//     struct Shared;                               // memory of a block
//     struct Registers;                            // what a thread keeps from phase to phase
//     template <class Block>
//     static void run(Block& block, Shared& shared, const Arguments& arguments);
//   };
//
// `run` describes a block, not a thread: it is a sequence of *phases*, `block.each_thread(phase)`, each done by all threads and followed by a
// barrier. Within a phase no thread may read what another one writes. What lies between phases (loops over panels, say) must be the same
// for all threads, so it reads only the arguments and the index of the block.
//
//   on the GPU    each_thread(phase) = { phase(own thread); __syncthreads(); }        one call of `run` per thread
//   on the host   each_thread(phase) = for every thread in turn: phase(thread);       one call of `run` per block

#if defined(__CUDACC__)

#define TENSIM_KERNEL __device__ __forceinline__
#define TENSIM_BOTH __host__ __device__
#define TENSIM_UNROLL _Pragma("unroll")

template <class Kernel>
struct DeviceBlock {
  std::uint64_t index;
  typename Kernel::Registers registers;

  template <class Phase>
  __device__ __forceinline__ void each_thread(const Phase& phase) {
    phase(threadIdx.x, registers);
    __syncthreads();
  }
};

// Blocks that are to have room on a multiprocessor at a time: kResident of a kernel that says so.
template <class Kernel, class = void>
constexpr unsigned kResidentBlocks = 0;
template <class Kernel>
constexpr unsigned kResidentBlocks<Kernel, std::void_t<decltype(Kernel::kResident)>> = Kernel::kResident;

template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, kResidentBlocks<Kernel>)
    run_on_device(const typename Kernel::Arguments arguments) {
  __shared__ typename Kernel::Shared shared;
  DeviceBlock<Kernel> block;
  block.index = blockIdx.x;
  Kernel::run(block, shared, arguments);
}

#else

#define TENSIM_KERNEL inline
#define TENSIM_BOTH
#define TENSIM_UNROLL

// In which order the host goes through the threads of a phase. A result that depends on it has a race in it.
enum class ThreadOrder { kForward, kBackward };

template <class Kernel>
struct HostBlock {
  std::uint64_t index = 0;
  ThreadOrder order = ThreadOrder::kForward;
  std::vector<typename Kernel::Registers> registers = std::vector<typename Kernel::Registers>(Kernel::kThreads);

  template <class Phase>
  void each_thread(const Phase& phase) {
    for (unsigned step = 0; step < Kernel::kThreads; ++step) {
      const unsigned thread = order == ThreadOrder::kForward ? step : Kernel::kThreads - 1 - step;
      phase(thread, registers[thread]);
    }
  }
};

// All blocks of a grid. Shared memory and registers begin as garbage, as they do on the GPU: every byte is 0xff, a NaN in any element type.
template <class Kernel>
void run_on_host(std::uint64_t blocks, const typename Kernel::Arguments& arguments, ThreadOrder order) {
  const auto shared = std::make_unique<typename Kernel::Shared>();
  HostBlock<Kernel> block;
  block.order = order;
  for (block.index = 0; block.index < blocks; ++block.index) {
    std::memset(static_cast<void*>(shared.get()), 0xff, sizeof(typename Kernel::Shared));
    std::memset(static_cast<void*>(block.registers.data()), 0xff,
                Kernel::kThreads * sizeof(typename Kernel::Registers));
    Kernel::run(block, *shared, arguments);
  }
}

#endif

}  // namespace tensim::cuda
