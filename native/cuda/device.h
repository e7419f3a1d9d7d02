#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "interface.h"

namespace tensim::cuda {

// What the host side of the library needs of a device; cuda_device.h is the GPU, host_device.h the host in its place.
//
//   class Device {
//     LaunchLimits limits;
//     // Blocks that run at a time, if they take all there is.
//     std::uint64_t processors() const;
//     // Throws kOutOfMemory.
//     void* allocate(std::size_t bytes);
//     // After all that was launched.
//     void release(void* memory) noexcept;
//     // At once: beside what was launched before.
//     void upload(void* to, const void* from, std::size_t bytes);
//     // Of the peak kernel: some milliseconds.
//     static constexpr std::uint64_t kPeakRounds;
//     // Movable; made of nothing it is none; wait() is until then.
//     class Moment;
//     // When all has ended that was launched before.
//     Moment moment();
//     // Movable; data() are its bytes.
//     class HostMemory;
//     HostMemory download(const void* from, std::size_t bytes, const Moment& after);
//     // In the order of the calls.
//     template <class Kernel>
//     void launch(std::uint64_t blocks, const typename Kernel::Arguments&);
//   };

// What one launch may do at most, unless a single pair takes more: it ends within some hundredths of a second on a
// device of 5·10¹³ flops a second, which is how soon an abort is noticed, and its blocks take no more working memory
// than this.
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

// f(an element, whether products of such are one pass of TF32), for models of one type: the compiler knows both, since
// they are other kernels.
template <class Model, class F>
void visit_elements(const Model& model, const F& f) {
  if (!model.single) {
    f(double(), std::false_type());
  } else if (model.tf32) {
    f(float(), std::true_type());
  } else {
    f(float(), std::false_type());
  }
}

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

// Memory of the device for one thing after the other. Whoever asks for room gives up what was in it before, and knows
// that nothing on the device still works with it: to take memory anew may wait until what has it now has ended.
template <class Device, class Element>
class ReusedBuffer {
 public:
  Element* room(Device& device, std::size_t size) {
    if (size > size_) {
      buffer_ = {};
      buffer_ = DeviceBuffer<Device, Element>(device, size);
      size_ = size;
    }
    return buffer_.data();
  }
  Element* put(Device& device, const std::vector<Element>& values) {
    Element* const elements = room(device, values.size());
    if (!values.empty()) device.upload(elements, values.data(), values.size() * sizeof(Element));
    return elements;
  }
  template <class Moment>
  HostBuffer<Device, Element> download(Device& device, std::size_t size, const Moment& after) const {
    return HostBuffer<Device, Element>(device.download(buffer_.data(), size * sizeof(Element), after));
  }

 private:
  DeviceBuffer<Device, Element> buffer_;
  std::size_t size_ = 0;
};

}  // namespace tensim::cuda
