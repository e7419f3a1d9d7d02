#pragma once

#include <cmath>
#include <cstring>

#include "map_run.h"
#include "product_run.h"
#include "sums_run.h"

// A plan while it runs, whatever its device and type.
struct TensimCudaContraction {
  virtual ~TensimCudaContraction() = default;
  virtual void use() = 0;
  virtual void* allocate(std::uint64_t elements) = 0;
  virtual void release(void* memory) noexcept = 0;
  virtual void upload(void* to, const void* from, std::uint64_t elements) = 0;
  virtual void download(const void* from, void* to, std::uint64_t elements) = 0;
  virtual void step(const TensimCudaStep& step) = 0;
  virtual void scale(void* data, std::uint64_t elements, double factor) = 0;
  virtual double largest(const void* data, std::uint64_t elements) = 0;
};

namespace tensim::cuda {

template <class Device, class T>
class ContractionRun final : public TensimCudaContraction {
 public:
  ContractionRun(Device& device, bool tf32, int (*report)(void*, std::uint64_t), void* context)
      : tf32_(tf32), runner_(device, report, context) {}

  void use() override { runner_.device.use(); }
  void* allocate(std::uint64_t elements) override {
    return runner_.device.allocate(std::max<std::uint64_t>(elements, 1) * sizeof(T));
  }
  void release(void* memory) noexcept override { runner_.device.release(memory); }
  void upload(void* to, const void* from, std::uint64_t elements) override {
    if (elements > 0) runner_.device.upload(to, from, elements * sizeof(T));
  }

  void download(const void* from, void* to, std::uint64_t elements) override {
    runner_.finish();
    constexpr std::uint64_t kAtOnce = (std::uint64_t{32} << 20) / sizeof(T);  // pinned memory that comes quickly
    const auto after = runner_.device.moment();
    for (std::uint64_t done = 0; done < elements; done += kAtOnce) {
      const std::uint64_t bytes = std::min(kAtOnce, elements - done) * sizeof(T);
      const auto block = runner_.device.download(static_cast<const T*>(from) + done, bytes, after);
      std::memcpy(static_cast<T*>(to) + done, block.data(), bytes);
    }
  }

  void step(const TensimCudaStep& given) override {
    const Step<T> step(given);
    if (extent(step.batch) * extent(step.left) * extent(step.right) == 0) return;
    if (step.kind == TENSIM_CUDA_MAP) {
      MapRun<Device, T>(runner_, step).run();
    } else if (step.kind == TENSIM_CUDA_LOOPS || extent(step.contracted) == 0) {
      run_elements(runner_, step);
    } else if (step.kind == TENSIM_CUDA_SUMS) {
      run_sums(runner_, step);
    } else {
      ProductRun<Device, T>(runner_, step, tf32_).run();
    }
  }

  void scale(void* data, std::uint64_t elements, double factor) override {
    using Kernel = ScaleKernel<T>;
    runner_.template launch<Kernel>(blocks<Kernel>(elements),
                                    {static_cast<T*>(data), elements, static_cast<T>(factor)});
  }

  double largest(const void* data, std::uint64_t elements) override {
    using Kernel = LargestKernel<T>;
    const std::uint64_t count = blocks<Kernel>(elements);
    const DeviceBuffer<Device, double> found(runner_.device, count);
    runner_.template launch<Kernel>(count, {static_cast<const T*>(data), elements, found.data()});
    const auto values = found.download(runner_.device, runner_.device.moment());
    double most = 0;
    for (std::uint64_t n = 0; n < count; ++n) most = std::max(most, values.data()[n]);
    return most;
  }

 private:
  template <class Kernel>
  std::uint64_t blocks(std::uint64_t elements) const {
    constexpr std::uint64_t kPerProcessor = 8;
    return std::min((elements + Kernel::kThreads - 1) / Kernel::kThreads, kPerProcessor * runner_.device.processors());
  }

  const bool tf32_;
  Runner<Device> runner_;
};

}  // namespace tensim::cuda
