#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "device.h"
#include "model.h"
#include "progress.h"
#include "sum_kernel.h"

namespace tensim::cuda {

template <class Device>
using Models = std::vector<const Model<Device>*>;

// A launch that may still be at work: a kernel that goes through pieces of work and leaves parts, and the sum kernel
// that adds them up by groups. Which pieces share a launch does not change a result.
template <class Device, class Kernel>
class Launch {
 public:
  using Work = typename Kernel::Work;

  // `arguments` is given where the work is and where the parts belong.
  template <class Arguments>
  Launch(Device& device, const std::vector<Work>& work, std::uint64_t parts, std::uint64_t part_size,
         const std::vector<SumKernel::Group>& groups, std::uint64_t width, std::uint64_t together,
         const Arguments& arguments)
      : work_(device, work),
        groups_(device, groups),
        parts_(device, parts * part_size),
        sums_(device, groups.size() * width) {
    device.template launch<Kernel>(std::min<std::uint64_t>(work.size(), device.processors()),
                                   arguments(work_.data(), parts_.data()));
    device.template launch<SumKernel>(
        SumKernel::blocks(groups.size(), width),
        {parts_.data(), part_size, groups_.data(), groups.size(), width, together, sums_.data()});
    ended_ = device.moment();
  }

  // (groups / together, width, together), when it has ended; what was launched after it goes on.
  HostBuffer<Device, double> sums(Device& device) const { return sums_.download(device, ended_); }

 private:
  DeviceBuffer<Device, Work> work_;
  DeviceBuffer<Device, SumKernel::Group> groups_;
  DeviceBuffer<Device, double> parts_, sums_;
  typename Device::Moment ended_;
};

}  // namespace tensim::cuda
