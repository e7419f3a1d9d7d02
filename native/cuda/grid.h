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

#include "warp.h"

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
// `run` describes a block, not a thread: it is a sequence of *phases*, each done by all threads. What lies between
// phases (loops over panels, say) must be the same for all threads, so it reads only the arguments and the index of the
// block.
//
//   each_thread(phase)     followed by a barrier; within it no thread reads what another one writes
//   alone(phase)           without a barrier: a thread reads only what it wrote itself, or what was there before the
//                          last barrier
//   multiply(operands)     a product by every warp, of fragments in the registers of its threads (warp.h), or only by
//                          those for whose threads the second argument is true
//   add_lanes(values)      values added up over the lanes of a warp that have the same lane % 4
//   copies                 of 8 or 16 bytes from the device's memory into shared memory, begun by a thread in a phase;
//                          `commit` ends a group of them, `wait<n>` is over when all but the last n groups have
//                          arrived, and is a barrier
//
// On the GPU every thread calls `run`, and a phase is its own part. On the host `run` is called once per block, and a
// phase is a loop over the threads.
//
// Blocks that take one piece of work after another are as many as the device runs at a time, so `count` is theirs to
// divide by.

#if defined(__CUDACC__)

template <class Kernel>
struct DeviceBlock {
  std::uint64_t index, count;
  typename Kernel::Registers registers;

  template <class Phase>
  TENSIM_KERNEL void each_thread(const Phase& phase) {
    phase(threadIdx.x, registers);
    __syncthreads();
  }
  template <class Phase>
  TENSIM_KERNEL void alone(const Phase& phase) {
    phase(threadIdx.x, registers);
  }
  template <class Select>
  TENSIM_KERNEL void multiply(const Select& select) {
    const auto operands = select(registers);
    multiply_fragments(operands.c, operands.a, operands.b);
  }
  template <class Select, class Wanted>
  TENSIM_KERNEL void multiply(const Select& select, const Wanted& wanted) {
    if (wanted(registers)) multiply(select);
  }
  template <class Select>
  TENSIM_KERNEL void add_lanes(const Select& select) {
    double& value = select(registers);
    TENSIM_UNROLL
    for (unsigned mask = 4; mask < kWarp; mask *= 2) value += __shfl_xor_sync(0xffffffffu, value, mask);
  }
  template <unsigned kBytes>
  TENSIM_KERNEL void copy(void* to, const void* from, bool zero = false) {
    const unsigned shared = static_cast<unsigned>(__cvta_generic_to_shared(to)), read = zero ? 0 : kBytes;
    if constexpr (kBytes == 16) {
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(from), "r"(read));
    } else {
      asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(shared), "l"(from), "r"(read), "n"(kBytes));
    }
  }
  TENSIM_KERNEL void commit() { asm volatile("cp.async.commit_group;"); }
  template <unsigned kPending>
  TENSIM_KERNEL void wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
    __syncthreads();
  }
};

// A number that the compiler takes for another one each time: what is computed of it is not kept in registers over a
// loop that has none to spare.
TENSIM_KERNEL unsigned afresh(unsigned number) {
  asm volatile("" : "+r"(number));
  return number;
}

// Blocks that are to have room on a multiprocessor at a time: kResident of a kernel that says so.
template <class Kernel, class = void>
constexpr unsigned kResidentBlocks = 0;
template <class Kernel>
constexpr unsigned kResidentBlocks<Kernel, std::void_t<decltype(Kernel::kResident)>> = Kernel::kResident;

// One block per multiprocessor may be all that fits: shared memory is dynamic, so that it can be more than 48 KiB.
template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, kResidentBlocks<Kernel>)
    run_on_device(const typename Kernel::Arguments arguments) {
  extern __shared__ __align__(128) unsigned char memory[];
  DeviceBlock<Kernel> block;
  block.index = blockIdx.x;
  block.count = gridDim.x;
  Kernel::run(block, *reinterpret_cast<typename Kernel::Shared*>(memory), arguments);
}

#else

inline unsigned afresh(unsigned number) {
  return number;
}

// In which order the host goes through the threads of a phase. A result that depends on it has a race in it.
enum class ThreadOrder { kForward, kBackward };

template <class Kernel>
struct HostBlock {
  std::uint64_t index = 0, count = 1;
  ThreadOrder order = ThreadOrder::kForward;
  std::vector<typename Kernel::Registers> registers = std::vector<typename Kernel::Registers>(Kernel::kThreads);

  template <class Phase>
  void each_thread(const Phase& phase) {
    for (unsigned step = 0; step < Kernel::kThreads; ++step) {
      const unsigned thread = order == ThreadOrder::kForward ? step : Kernel::kThreads - 1 - step;
      phase(thread, registers[thread]);
    }
  }
  template <class Phase>
  void alone(const Phase& phase) {
    each_thread(phase);
  }
  template <class Select>
  void multiply(const Select& select) {
    multiply(select, [](const auto&) { return true; });
  }
  template <class Select, class Wanted>
  void multiply(const Select& select, const Wanted& wanted) {
    for (unsigned first = 0; first < Kernel::kThreads; first += kWarp) {
      if (!wanted(registers[first])) continue;
      multiply_fragments([&](unsigned lane) { return select(registers[first + lane]); });
    }
  }
  template <class Select>
  void add_lanes(const Select& select) {
    for (unsigned first = 0; first < Kernel::kThreads; first += kWarp) {
      for (unsigned mask = 4; mask < kWarp; mask *= 2) {
        double before[kWarp];
        for (unsigned lane = 0; lane < kWarp; ++lane) before[lane] = select(registers[first + lane]);
        for (unsigned lane = 0; lane < kWarp; ++lane) select(registers[first + lane]) += before[lane ^ mask];
      }
    }
  }
  // Forwards a copy arrives as early as it can, backwards as late as it may: what is read too early or overwritten too
  // early shows.
  template <unsigned kBytes>
  void copy(void* to, const void* from, bool zero = false) {
    const Copy copy{to, from, zero ? 0 : kBytes, kBytes};
    if (order == ThreadOrder::kForward) return arrive(copy);
    groups_.back().push_back(copy);
  }
  void commit() {
    if (++commits_ % Kernel::kThreads == 0) groups_.emplace_back();
  }
  template <unsigned kPending>
  void wait() {
    for (; groups_.size() > kPending + 1; groups_.erase(groups_.begin())) {
      for (const Copy& copy : groups_.front()) arrive(copy);
    }
  }

 private:
  struct Copy {
    void* to;
    const void* from;
    std::size_t read, bytes;  // zeros follow what is read
  };
  static void arrive(const Copy& copy) {
    std::memset(copy.to, 0, copy.bytes);
    if (copy.read > 0) std::memcpy(copy.to, copy.from, copy.read);
  }
  std::vector<std::vector<Copy>> groups_ = std::vector<std::vector<Copy>>(1);
  std::uint64_t commits_ = 0;
};

// All blocks of a grid. Shared memory and registers begin as garbage, as they do on the GPU: every byte is 0xff, a NaN
// in any element type.
template <class Kernel>
void run_on_host(std::uint64_t blocks, const typename Kernel::Arguments& arguments, ThreadOrder order) {
  const auto shared = std::make_unique<typename Kernel::Shared>();
  for (std::uint64_t index = 0; index < blocks; ++index) {
    HostBlock<Kernel> block;
    block.index = index;
    block.count = blocks;
    block.order = order;
    std::memset(static_cast<void*>(shared.get()), 0xff, sizeof(typename Kernel::Shared));
    std::memset(static_cast<void*>(block.registers.data()), 0xff,
                Kernel::kThreads * sizeof(typename Kernel::Registers));
    Kernel::run(block, *shared, arguments);
  }
}

#endif

}  // namespace tensim::cuda
