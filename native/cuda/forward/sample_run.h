#pragma once

#include "../model.h"
#include "../progress.h"
#include "normals_kernel.h"
#include "row_kernels.h"
#include "sample_kernel.h"
#include "take_over.h"

namespace tensim::cuda {

// Flops of one launch of products of samples, which are bound by memory.
constexpr double kSampleFlops = 1e10;

// x·a + y·b, kept beside them.
template <class Device>
std::unique_ptr<Model<Device>> combine(const Model<Device>& a, double x, const Model<Device>& b, double y) {
  if (a.device != b.device || a.single || b.single || a.outputs != b.outputs || a.length != b.length) {
    throw DeviceError(TENSIM_CUDA_INVALID, "the outputs do not fit each other");
  }
  auto model = std::make_unique<Model<Device>>();
  model->device = a.device;
  model->outputs = a.outputs;
  model->length = a.length;
  model->f64.vector = {*a.device, a.length};
  model->bytes = model->f64.vector.bytes();
  launch_each(*a.device,
              CombineTask{a.f64.vector.data(), b.f64.vector.data(), x, y, model->f64.vector.data(), a.length});
  return model;
}

// What every input adds to the products of pairs of kept outputs, some pairs at a time.
template <class Device>
void sample_products(Device& device, const TensimCudaSampleProducts& job) {
  const std::uint64_t rows = job.batch * job.positions, slices = job.per_output != 0 ? job.width : 1;
  std::vector<const double*> vectors;
  std::uint64_t segment = 0;
  for (std::uint64_t i = 0; i < job.output_count; ++i) {
    const auto& model = static_cast<const Model<Device>&>(*job.outputs[i]);
    segment = model.length / slices;
    if (model.device != &device || model.single || model.outputs != slices || segment < rows * (job.width / slices)) {
      throw DeviceError(TENSIM_CUDA_INVALID, "the outputs do not fit each other");
    }
    vectors.push_back(model.f64.vector.data());
  }
  for (std::uint64_t i = 0; i < 2 * job.pair_count; ++i) {
    if (job.pairs[i] >= job.output_count) throw DeviceError(TENSIM_CUDA_INVALID, "there is no such output");
  }
  if (job.batch == 0 || job.width == 0) return;
  Progress progress{job.report, job.context};
  const double per_pair = 2.0 * static_cast<double>(rows) * static_cast<double>(job.width);
  progress.total = per_pair * static_cast<double>(job.pair_count);
  const DeviceBuffer<Device, const double*> places(device, vectors);
  const std::uint64_t size = job.batch * slices;
  const auto most = static_cast<std::uint64_t>(
      std::max(1.0, std::min(static_cast<double>(device.limits.workspace_bytes) / static_cast<double>(8 * size),
                             kSampleFlops / per_pair)));
  for (std::uint64_t first = 0; first < job.pair_count; first += most) {
    const std::uint64_t count = std::min(most, job.pair_count - first);
    const DeviceBuffer<Device, std::uint32_t> pairs(device, job.pairs + 2 * first, 2 * count);
    const DeviceBuffer<Device, double> sums(device, count * size);
    SampleProductsTask task{};
    task.vectors = places.data();
    task.pairs = pairs.data();
    task.pair_count = count;
    task.inputs = job.batch;
    task.positions = job.positions;
    task.outputs = job.width;
    task.row_stride = job.per_output != 0 ? 1 : job.width;
    task.output_stride = job.per_output != 0 ? segment : 1;
    task.per_output = job.per_output != 0 ? 1 : 0;
    task.sums = sums.data();
    device.template launch<SampleProductsKernel>(SampleProductsKernel::blocks(task), task);
    take_over(device, sums.data(), count, size, size, device.moment(), job.sums + first * size);
    progress.advance(per_pair * static_cast<double>(count));
  }
}

template <class Device>
void draw_normals(Device& device, const TensimCudaNormals& job) {
  if (job.count == 0 || job.dimension == 0) return;
  Progress progress{job.report, job.context};
  progress.total = static_cast<double>(job.count) * static_cast<double>(job.dimension);
  const std::uint64_t most = std::max<std::uint64_t>(1, device.limits.workspace_bytes / sizeof(double) / job.dimension);
  // One part is drawn while the one before comes.
  struct Part {
    DeviceBuffer<Device, double> numbers;
    std::uint64_t first, count;
    typename Device::Moment ended;
  };
  std::vector<Part> before;
  const auto finish = [&] {
    if (before.empty()) return;
    const Part& part = before.front();
    take_over(device, part.numbers.data(), part.count, job.dimension, job.dimension, part.ended,
              job.numbers + part.first * job.dimension);
    progress.advance(static_cast<double>(part.count) * static_cast<double>(job.dimension));
    before.clear();
  };
  for (std::uint64_t first = 0; first < job.count; first += most) {
    const std::uint64_t count = std::min(most, job.count - first);
    Part part{{device, count * job.dimension}, first, count, {}};
    device.template launch<NormalsKernel>(
        blocks_for<NormalsKernel>(count * NormalsKernel::pairs(job.dimension)),
        {job.key0, job.key1, job.first + static_cast<std::uint32_t>(first), count, job.dimension, part.numbers.data()});
    part.ended = device.moment();
    finish();
    before.push_back(std::move(part));
  }
  finish();
}

}  // namespace tensim::cuda
