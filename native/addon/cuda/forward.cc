#include "forward.h"

#include "../../core/error.h"
#include "forward_source.h"
#include "library.h"

namespace tensim {
namespace {

TensimCudaInputs inputs_of(const Context& context, const CudaInputs& inputs) {
  TensimCudaInputs made{};
  made.batch = inputs.batch;
  made.single = inputs.vectors.dtype == DType::kFloat32 ? 1 : 0;
  made.vectors = inputs.vectors.data;
  made.tokens = inputs.tokens;
  made.report = report_progress;
  made.context = &context.control;
  return made;
}

}  // namespace

CudaForward::CudaForward(const TensimCudaApi& api, int device, const TensimCudaNetwork& source, std::size_t outputs)
    : dtype(source.single != 0 ? DType::kFloat32 : DType::kFloat64),
      positions(source.positions),
      features(source.features),
      outputs(outputs),
      tokens(source.table != nullptr),
      api_(api) {
  TensimCudaError error{};
  check_cuda(api.forward->create(device, &source, &forward_, &error), error);
}

void CudaForward::evaluate(const Context& context, const CudaInputs& inputs, void* results) const {
  const TensimCudaInputs source = inputs_of(context, inputs);
  TensimCudaError error{};
  check_cuda(api_.forward->evaluate(forward_, &source, results, &error), error);
}

CudaModelPointer CudaForward::keep(const Context& context, const CudaInputs& inputs, const std::vector<double>& roots,
                                   bool per_output) const {
  const TensimCudaInputs source = inputs_of(context, inputs);
  const TensimCudaKeeping keeping{roots.empty() ? nullptr : roots.data(), per_output ? 1 : 0};
  TensimCudaError error{};
  TensimCudaModel* model = nullptr;
  std::uint64_t stride = 0;
  check_cuda(api_.forward->keep(forward_, &source, &keeping, &model, &stride, &error), error);
  return kept_outputs(api_, model, per_output ? outputs : 1, stride);
}

CudaForwardPointer prepare_cuda_forward(const TensimCudaApi& api, int device, CudaType type,
                                        const std::vector<LayerView>& layers, std::size_t positions,
                                        std::size_t features, bool tokens) {
  const auto prepare = [&](auto element) {
    const CudaForwardSource<decltype(element)> source(type.single(), layers, positions, features, tokens);
    return std::make_shared<const CudaForward>(api, device, source.network(), source.outputs());
  };
  return type.dtype == DType::kFloat64 ? prepare(double()) : prepare(float());
}

CudaModelPointer combine_kept(const TensimCudaApi& api, const CudaModel& a, double x, const CudaModel& b, double y) {
  if (!a.is_from(api) || !b.is_from(api)) throw Error("INVALID_ARGUMENT", "a model was prepared by another library");
  TensimCudaError error{};
  TensimCudaModel* model = nullptr;
  check_cuda(api.forward->combine(a.on_device(), x, b.on_device(), y, &model, &error), error);
  return kept_outputs(api, model, a.outputs, a.outputs == 0 ? 0 : a.offsets[1]);
}

void cuda_sample_products(const Context& context, const TensimCudaApi& api,
                          const std::vector<const CudaModel*>& outputs, const std::vector<std::uint32_t>& pairs,
                          std::size_t batch, std::size_t positions, std::size_t width, bool per_output, double* sums) {
  const auto models = on_device(outputs);
  TensimCudaSampleProducts job{};
  job.outputs = models.data();
  job.output_count = models.size();
  job.pairs = pairs.data();
  job.pair_count = pairs.size() / 2;
  job.batch = batch;
  job.positions = positions;
  job.width = width;
  job.per_output = per_output ? 1 : 0;
  job.sums = sums;
  job.report = report_progress;
  job.context = &context.control;
  TensimCudaError error{};
  check_cuda(api.forward->sample_products(&job, &error), error);
}

void cuda_normals(const Context& context, const TensimCudaApi& api, int device, const NormalStream& stream,
                  std::uint32_t first, std::size_t count, double* out) {
  TensimCudaNormals job{};
  job.key0 = stream.key0;
  job.key1 = stream.key1;
  job.first = first;
  job.count = count;
  job.dimension = stream.dimension;
  job.numbers = out;
  job.report = report_progress;
  job.context = &context.control;
  TensimCudaError error{};
  check_cuda(api.forward->normals(device, &job, &error), error);
}

}  // namespace tensim
