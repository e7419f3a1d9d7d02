#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "interface.h"

namespace tensim::cuda {

// What the host side of the library needs of a device; cuda_device.h is the GPU, host_device.h the host in its place.
//
//   class Device {
//     LaunchLimits limits;
//     std::uint64_t processors() const;                                      // blocks that run at a time, if they take all there is
//     void* allocate(std::size_t bytes);                                     // throws kOutOfMemory
//     void release(void* memory) noexcept;                                   // after all that was launched
//     void upload(void* to, const void* from, std::size_t bytes);            // at once: beside what was launched before
//     static constexpr std::uint64_t kPeakRounds;                            // of the peak kernel: some milliseconds
//     class Moment;                                                          // movable; made of nothing it is none; wait() is until then
//     Moment moment();                                                       // when all has ended that was launched before
//     class HostMemory;                                                      // movable; data() are its bytes
//     HostMemory download(const void* from, std::size_t bytes, const Moment& after);
//     template <class Kernel>
//     void launch(std::uint64_t blocks, const typename Kernel::Arguments&);  // in the order of the calls
//   };

// What one launch may do at most, unless a single pair takes more: it ends within some hundredths of a second on a device of 5·10¹³ flops a
// second, which is how soon an abort is noticed, and its blocks take no more working memory than this.
struct LaunchLimits {
  double flops = 1e12;
  std::uint64_t workspace_bytes = std::uint64_t{128} << 20;
};

// Becomes the status and the message of a call.
class DeviceError : public std::runtime_error {
 public:
  DeviceError(TensimCudaStatus status, const std::string& message) : std::runtime_error(message), status(status) {}
  const TensimCudaStatus status;
};

// Elements that came from the device.
template <class Device, class Element>
class HostBuffer {
 public:
  explicit HostBuffer(typename Device::HostMemory memory) : memory_(std::move(memory)) {}
  const Element* data() const { return static_cast<const Element*>(memory_.data()); }

 private:
  typename Device::HostMemory memory_;
};

// Elements in the device's memory.
template <class Device, class Element>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(Device& device, std::size_t size) : memory_(nullptr, Release{&device}), size_(size) {
    if (size > 0) memory_.reset(static_cast<Element*>(device.allocate(size * sizeof(Element))));
  }
  DeviceBuffer(Device& device, const Element* values, std::size_t size) : DeviceBuffer(device, size) {
    if (size > 0) device.upload(memory_.get(), values, bytes());
  }
  DeviceBuffer(Device& device, const std::vector<Element>& values)
      : DeviceBuffer(device, values.data(), values.size()) {}

  Element* data() const { return memory_.get(); }
  std::size_t bytes() const { return size_ * sizeof(Element); }
  template <class Moment>
  HostBuffer<Device, Element> download(Device& device, const Moment& after) const {
    return HostBuffer<Device, Element>(device.download(memory_.get(), bytes(), after));
  }

 private:
  struct Release {
    Device* device = nullptr;
    void operator()(Element* memory) const { device->release(memory); }
  };
  std::unique_ptr<Element, Release> memory_;
  std::size_t size_ = 0;
};

}  // namespace tensim::cuda
