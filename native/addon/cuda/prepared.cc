#include "prepared.h"

#include <algorithm>

#include "../../core/error.h"
#include "../../core/matrix.h"
#include "../../gaussian/dense_form.h"
#include "library.h"

namespace tensim {
namespace {

// A source of vectors alone, of which only the type and the length are told here.
template <class T>
TensimCudaSource vector_source(CudaType type, std::size_t outputs, const std::vector<T>& vector) {
  TensimCudaSource source{};
  source.single = type.single();
  source.outputs = outputs;
  source.length = vector.size();
  source.vector = vector.data();
  return source;
}

std::size_t aligned(std::size_t size) {
  return (size + TENSIM_CUDA_ALIGN - 1) / TENSIM_CUDA_ALIGN * TENSIM_CUDA_ALIGN;
}

// w_c of every output, one after the other and filled up to `stride`; nothing at all where all are zero.
template <class T>
std::vector<T> linear_vector(const QuadraticMap& map, const AlignedBuffer<double>& linear, std::size_t stride) {
  if (linear.empty()) return {};
  std::vector<T> vector(map.outputs * stride, T(0));
  for (std::size_t c = 0; c < map.outputs; ++c) {
    std::transform(linear.data() + c * map.inputs, linear.data() + (c + 1) * map.inputs, vector.data() + c * stride,
                   [](double x) { return static_cast<T>(x); });
  }
  return vector;
}

// The elements as the library wants them, row after row, copied only if they are not so already.
const double* row_major(const MatrixView& view, Matrix<double>& copy) {
  if (view.dtype == DType::kFloat64 && contiguous(view)) {
    return static_cast<const double*>(view.data);
  }
  copy = Matrix<double>::copy(view);
  return copy.data();
}

template <class T>
std::shared_ptr<CudaModel> prepare_as(const Context& context, const TensimCudaApi& api, int device, CudaType type,
                                      const QuadraticMap& map, Route route) {
  Moments parts = moments(context, map);
  // By the route kDense the library keeps the form and w_c of an output beside each other, so that one product gives
  // both.
  const bool dense = route == Route::kDense;
  const std::size_t form = dense ? dense_form_size(map.inputs) : 0, stride = aligned(form + map.inputs);
  const std::vector<T> vector = linear_vector<T>(map, parts.linear, dense ? map.inputs : stride);
  TensimCudaSource source = vector_source(type, map.outputs, vector);
  source.depth = map.inputs;
  source.form_stride = dense ? stride : 0;
  Matrix<double> copies[3];
  if (map.block) {
    source.units = map.left.view.rows;
    source.left = row_major(map.left.view, copies[0]);
    source.right = row_major(map.right.view, copies[1]);
    source.down = row_major(map.down.view, copies[2]);
  }
  context.control.throw_if_aborted();
  auto model = std::make_shared<CudaModel>(api, device, source);
  const bool vectors = (dense || !vector.empty()) && stride > 0;
  for (std::size_t c = 0; vectors && c <= map.outputs; ++c) model->offsets.push_back(c * stride);
  model->route = route;
  model->inputs = map.inputs;
  model->block = map.block;
  model->constant = std::move(parts.constant);
  model->mean = std::move(parts.mean);
  return model;
}

template <class T>
std::shared_ptr<CudaModel> prepare_features_as(const TensimCudaApi& api, int device, CudaType type,
                                               const std::vector<MatrixView>& segments) {
  std::vector<T> vector;
  std::vector<std::uint64_t> offsets{0};
  for (const MatrixView& segment : segments) {
    visit(segment, [&](const auto* data) {
      std::transform(data, data + segment.rows, std::back_inserter(vector), [](auto x) { return static_cast<T>(x); });
    });
    vector.resize(aligned(vector.size()), T(0));
    offsets.push_back(vector.size());
  }
  auto model = std::make_shared<CudaModel>(api, device, vector_source(type, segments.size(), vector));
  model->offsets = std::move(offsets);
  model->constant.assign(segments.size(), 0.0);
  model->mean.assign(segments.size(), 0.0);
  return model;
}

// The offsets of the first model that has a vector; all others have the same or none.
std::vector<std::uint64_t> check_models(const TensimCudaApi& api, const std::vector<const CudaModel*>& rows,
                                        const std::vector<const CudaModel*>& columns) {
  std::vector<std::uint64_t> offsets;
  const CudaModel& first = *rows.front();
  for (const auto* list : {&rows, &columns}) {
    for (const CudaModel* model : *list) {
      if (!model->is_from(api)) throw Error("INVALID_ARGUMENT", "a model was prepared by another library");
      if (model->dtype != first.dtype) {
        throw Error("INVALID_ARGUMENT", "all models of a tile must be prepared with the same dtype");
      }
      if (model->route != first.route) throw Error("INVALID_ARGUMENT", "the models of a tile take different routes");
      if (offsets.empty()) offsets = model->offsets;
      const bool vectors_fit = model->offsets.empty() || model->offsets == offsets;
      if (model->outputs != first.outputs || model->inputs != first.inputs || model->positions != first.positions ||
          !vectors_fit) {
        throw Error("SHAPE_MISMATCH", "the models of a tile differ in their inputs or outputs");
      }
    }
  }
  return offsets;
}

// As in similarity/gram_tile, of every pair.
double weight_of(Measure measure, const std::vector<const CudaModel*>& rows,
                 const std::vector<const CudaModel*>& columns) {
  if (measure == Measure::kGaussian) return 1;
  const bool block = rows.front()->block;
  for (const auto* list : {&rows, &columns}) {
    for (const CudaModel* model : *list) {
      if (model->block == block) continue;
      throw Error("SHAPE_MISMATCH",
                  "the tensor measure compares chains of the same degree only: one has a block, the other has none");
    }
  }
  return block ? 0.5 : 1;
}

// What the parts of degree zero contribute, (models, outputs).
std::vector<double> constants(Measure measure, const std::vector<const CudaModel*>& models) {
  std::vector<double> result;
  for (const CudaModel* model : models) {
    const std::vector<double>& own = measure == Measure::kGaussian ? model->mean : model->constant;
    result.insert(result.end(), own.begin(), own.end());
  }
  return result;
}

}  // namespace

CudaModel::CudaModel(const TensimCudaApi& api, int device, const TensimCudaSource& source)
    : dtype(source.single != 0 ? DType::kFloat32 : DType::kFloat64), outputs(source.outputs), api_(api) {
  TensimCudaError error{};
  check_cuda(api.model_create(device, &source, &model_, &error), error);
}

CudaModelPointer prepare_cuda(const Context& context, const TensimCudaApi& api, int device, CudaType type,
                              const QuadraticMap& map, Route route, std::size_t positions) {
  if (route == Route::kUnfolded) throw Error("INVALID_ARGUMENT", "the CUDA backend has no route \"unfolded\"");
  auto model = type.dtype == DType::kFloat64 ? prepare_as<double>(context, api, device, type, map, route)
                                             : prepare_as<float>(context, api, device, type, map, route);
  model->positions = positions;
  return model;
}

CudaModelPointer prepare_cuda_features(const TensimCudaApi& api, int device, CudaType type,
                                       const std::vector<MatrixView>& segments) {
  return type.dtype == DType::kFloat64 ? prepare_features_as<double>(api, device, type, segments)
                                       : prepare_features_as<float>(api, device, type, segments);
}

CudaModelPointer kept_outputs(const TensimCudaApi& api, TensimCudaModel* own, std::size_t segments,
                              std::uint64_t stride) {
  auto model = std::make_shared<CudaModel>(api, own);
  for (std::size_t c = 0; c <= segments; ++c) model->offsets.push_back(c * stride);
  model->outputs = segments;
  model->constant.assign(segments, 0.0);
  model->mean.assign(segments, 0.0);
  return model;
}

GramTile cuda_gram_tile(const Context& context, const TensimCudaApi& api, const GramJob& job,
                        const std::vector<const CudaModel*>& rows, const std::vector<const CudaModel*>& columns) {
  GramTile tile;
  tile.total.assign(rows.size() * columns.size(), 0.0);
  if (rows.empty() || columns.empty()) return tile;
  const std::vector<std::uint64_t> offsets = check_models(api, rows, columns);
  const std::size_t outputs = rows.front()->outputs;
  const auto row_models = on_device(rows), column_models = on_device(columns);
  const auto row_constants = constants(job.measure, rows), column_constants = constants(job.measure, columns);
  if (job.per_output) tile.per_output.resize(tile.total.size() * outputs);
  TensimCudaTile call{};
  call.rows = row_models.data();
  call.columns = column_models.data();
  call.row_count = rows.size();
  call.column_count = columns.size();
  call.symmetric = job.symmetric ? 1 : 0;
  call.weight = weight_of(job.measure, rows, columns);
  call.factor = static_cast<double>(rows.front()->positions);
  call.row_constants = row_constants.data();
  call.column_constants = column_constants.data();
  if (!offsets.empty()) {
    call.offsets = offsets.data();
    call.segments = outputs;
  }
  call.total = tile.total.data();
  call.slices = job.per_output ? tile.per_output.data() : nullptr;
  call.report = report_progress;
  call.context = &context.control;
  TensimCudaError error{};
  check_cuda(api.gram_products(&call, &error), error);
  return tile;
}

}  // namespace tensim
