#include "closure.h"

#include <algorithm>
#include <list>

#include "library.h"

namespace tensim {
namespace {

// A chain as the interface takes it, and the copies it points to.
template <class T>
struct ChainSource {
  TensimCudaChain chain{};
  std::vector<TensimCudaStage> stages;
  std::list<std::vector<T>> copies;

  explicit ChainSource(const ClosureModel<T>& model) : ChainSource(model.positions, model.front) {
    chain.outputs = model.outputs;
    for (const ClosureStage<T>& from : model.stages) {
      TensimCudaStage stage{};
      std::visit([&](const auto& block) { read(block, model.positions, stage); }, from.block);
      if (from.linear_after) {
        stage.after_rows = from.after.rows;
        stage.after = from.after.data();
      }
      stages.push_back(stage);
    }
    chain.stage_count = stages.size();
    chain.stages = stages.data();
  }

  // Steps of the tensor measure are those of bilinear blocks with half the products. A half in front of the first makes
  // a half behind each of them, and a factor of two at the end takes it back: no digit changes. Of what comes out the
  // constant, which is the first row, is not wanted.
  explicit ChainSource(const TensorModel<T>& model) : ChainSource(1, model.front) {
    chain.outputs = model.outputs;
    for (const TensorStage<T>& from : model.stages) {
      TensimCudaStage stage{};
      stage.width = from.factors.columns;
      stage.units = from.factors.rows / 2;
      stage.outputs = from.down.rows;
      stage.factors = from.factors.data();
      stage.has_down = 1;
      stage.down = from.down.data();
      stages.push_back(stage);
    }
    chain.factor = static_cast<double>(model.positions);
    if (stages.empty()) {
      chain.width = model.outputs;
      chain.front = model.front.row(1);
    } else {
      stages.back().outputs = model.outputs;
      stages.back().down = model.stages.back().down.row(1);
      chain.front_factor = 0.5;
      chain.factor *= 2;
    }
    chain.stage_count = stages.size();
    chain.stages = stages.data();
  }
  ChainSource(const ChainSource&) = delete;
  ChainSource& operator=(const ChainSource&) = delete;

 private:
  ChainSource(std::size_t positions, const Matrix<T>& front) {
    chain.single = sizeof(T) == sizeof(float) ? 1 : 0;
    chain.positions = positions;
    chain.inputs = front.columns;
    chain.width = front.rows;
    chain.front = front.data();
    chain.front_factor = chain.factor = 1;
  }

  std::vector<T>& copy(std::size_t size) {
    copies.emplace_back(size, T(0));
    return copies.back();
  }

  void read(const BilinearBlock<T>& block, std::size_t, TensimCudaStage& stage) {
    stage.width = block.width;
    stage.units = block.units;
    stage.outputs = block.outputs;
    stage.beta = block.beta;
    stage.factors = block.factors.data();
    stage.has_down = block.has_down ? 1 : 0;
    stage.down = block.down.data();
    if (block.jacobians.empty()) return;
    // Side by side; one that is all zeros is empty among the others.
    stage.slopes = block.jacobians.size();
    std::vector<T>& jacobian = copy(block.outputs * stage.slopes * block.width);
    for (std::size_t s = 0; s < stage.slopes; ++s) {
      const Matrix<T>& from = block.jacobians[s];
      for (std::size_t i = 0; i < from.rows; ++i) {
        std::copy_n(from.row(i), block.width, jacobian.data() + (i * stage.slopes + s) * block.width);
      }
    }
    stage.jacobian = jacobian.data();
  }

  void read(const AttentionBlock<T>& block, std::size_t positions, TensimCudaStage& stage) {
    stage.attention = 1;
    stage.width = block.width;
    stage.outputs = block.outputs;
    stage.alpha = block.alpha;
    stage.heads = block.heads;
    stage.size = block.d_head;
    stage.causal = block.causal ? 1 : 0;
    stage.independent = block.independent ? 1 : 0;
    stage.output = block.output.data();
    stage.jacobian = block.jacobian.data();
    if (!block.means.empty()) stage.means = block.means.data();
    // By positions first: what one position needs of all heads is then one matrix.
    const std::size_t head = kKinds * block.d_head * block.width;
    std::vector<T>& projection = copy(block.projection.values.size());
    for (std::size_t s = 0; s < positions; ++s) {
      for (std::size_t h = 0; h < block.heads; ++h) {
        std::copy_n(block.projection.data() + (h * positions + s) * head, head,
                    projection.data() + (s * block.heads + h) * head);
      }
    }
    stage.projection = projection.data();
    stage.own = block.own.data();
    if (!block.independent) return;
    const std::size_t blocks = kKinds * kKinds * block.d_head * block.d_head;
    std::vector<T>& own = copy(block.heads * positions * blocks);
    for (std::size_t hs = 0; hs < block.heads * positions; ++hs) {
      std::copy_n(block.own_block(hs / positions, hs % positions, hs % positions, 0, 0), blocks,
                  own.data() + hs * blocks);
    }
    stage.own = own.data();
  }
};

template <class T, class Model>
CudaChainTraits traits_of(Method method, const Model& model) {
  CudaChainTraits traits;
  traits.method = method;
  traits.dtype = DTypeOf<T>::value;
  traits.inputs = model.inputs;
  traits.outputs = model.outputs;
  traits.positions = model.positions;
  return traits;
}

// create(device, closure, error) of every device.
template <class Create>
std::vector<CudaClosurePointer> create_on(const Context& context, const TensimCudaApi& api, const CudaDevices& devices,
                                          const CudaChainTraits& traits, const Create& create) {
  return on_each<CudaClosurePointer>(context, devices, [&](int device) {
    TensimCudaClosure* closure = nullptr;
    TensimCudaError error{};
    check_cuda(create(device, &closure, &error), error);
    return std::make_shared<CudaClosure>(api, closure, traits);
  });
}

template <class T>
std::vector<CudaClosurePointer> prepare_chain_as(const Context& context, const TensimCudaApi& api,
                                                 const CudaDevices& devices, const ChainSource<T>& source,
                                                 const CudaChainTraits& traits) {
  return create_on(context, api, devices, traits, [&](int device, TensimCudaClosure** closure, TensimCudaError* error) {
    return api.closure_create(device, &source.chain, closure, error);
  });
}

template <class T>
std::vector<CudaClosurePointer> prepare_closure_as(const Context& context, const TensimCudaApi& api,
                                                   const CudaDevices& devices, const ChainView& chain) {
  const ClosureModel<T> model = fold_closure<T>(context, chain);
  CudaChainTraits traits = traits_of<T>(Method::kClosure, model);
  for (const ClosureStage<T>& stage : model.stages) {
    traits.kinds.push_back(std::visit([](const auto& block) { return block.kType; }, stage.block));
  }
  traits.means = model.means;
  return prepare_chain_as<T>(context, api, devices, ChainSource<T>(model), traits);
}

template <class T>
std::vector<CudaClosurePointer> prepare_tensor_as(const Context& context, const TensimCudaApi& api,
                                                  const CudaDevices& devices, const ChainView& chain) {
  const TensorModel<T> model = fold_tensor<T>(context, chain);
  CudaChainTraits traits = traits_of<T>(Method::kTensor, model);
  traits.kinds.assign(model.stages.size(), BilinearBlock<T>::kType);
  return prepare_chain_as<T>(context, api, devices, ChainSource<T>(model), traits);
}

template <class T>
std::vector<CudaClosurePointer> prepare_two_block_as(const Context& context, const TensimCudaApi& api,
                                                     const CudaDevices& devices, const ChainView& chain) {
  const TwoBlockModel<T> model = fold_two_block<T>(context, chain);
  context.control.throw_if_aborted();
  TensimCudaTwoBlock source{};
  source.single = sizeof(T) == sizeof(float) ? 1 : 0;
  source.inputs = model.inputs;
  source.rank = model.rank;
  source.units = model.units;
  source.outputs = model.outputs;
  source.basis = model.basis.data();
  source.forms = model.forms.data();
  source.vectors = model.vectors.data();
  source.linear_parts = model.linear_parts ? 1 : 0;
  source.down = model.down.data();
  source.mean = model.mean.data();
  source.factor = static_cast<double>(model.positions);
  return create_on(context, api, devices, traits_of<T>(Method::kTwoBlock, model),
                   [&](int device, TensimCudaClosure** closure, TensimCudaError* error) {
                     return api.two_block_create(device, &source, closure, error);
                   });
}

template <class T>
std::vector<CudaClosurePointer> prepare_as(const Context& context, const TensimCudaApi& api, const CudaDevices& devices,
                                           Method method, const ChainView& chain) {
  if (method == Method::kTwoBlock) return prepare_two_block_as<T>(context, api, devices, chain);
  if (method == Method::kTensor) return prepare_tensor_as<T>(context, api, devices, chain);
  return prepare_closure_as<T>(context, api, devices, chain);
}

void check(const TensimCudaApi& api, const CudaClosure& first, const CudaClosure& model) {
  if (!model.is_from(api)) throw Error("INVALID_ARGUMENT", "a model was prepared by another library");
  if (model.dtype != first.dtype) {
    throw Error("INVALID_ARGUMENT", "all models of a tile must be prepared with the same dtype");
  }
  if (model.outputs != first.outputs || model.inputs != first.inputs || model.positions != first.positions) {
    throw Error("SHAPE_MISMATCH", "the models of a tile differ in their inputs or outputs");
  }
  if (model.method != first.method) {
    throw Error("INVALID_ARGUMENT", "all models of a tile must be prepared by the same method");
  }
  if (model.method == Method::kTensor && model.kinds.size() != first.kinds.size()) throw unlike_degrees();
  for (std::size_t i = 0; i < std::min(model.kinds.size(), first.kinds.size()); ++i) {
    if (model.kinds[i] != first.kinds[i]) throw unlike_blocks(first.kinds[i], model.kinds[i]);
  }
}

}  // namespace

std::vector<CudaClosurePointer> prepare_cuda_closure(const Context& context, const TensimCudaApi& api,
                                                     const CudaDevices& devices, Method method, DType dtype,
                                                     const ChainView& chain) {
  return dtype == DType::kFloat64 ? prepare_as<double>(context, api, devices, method, chain)
                                  : prepare_as<float>(context, api, devices, method, chain);
}

GramTile cuda_closure_tile(const Context& context, const TensimCudaApi& api, const GramJob& job,
                           const std::vector<const CudaClosure*>& rows,
                           const std::vector<const CudaClosure*>& columns) {
  GramTile tile;
  tile.total.assign(rows.size() * columns.size(), 0.0);
  if (rows.empty() || columns.empty()) return tile;
  for (const CudaClosure* row : rows) {
    for (const CudaClosure* column : columns) check(api, *row, *column);
  }
  for (const CudaClosure* row : rows) check(api, *rows.front(), *row);

  const std::size_t outputs = rows.front()->outputs, width = columns.size();
  if (job.per_output) tile.per_output.assign(tile.total.size() * outputs, 0.0);
  const auto row_models = on_device(rows), column_models = on_device(columns);
  TensimCudaClosureTile call{};
  call.rows = row_models.data();
  call.columns = column_models.data();
  call.row_count = rows.size();
  call.column_count = columns.size();
  call.symmetric = job.symmetric ? 1 : 0;
  call.total = tile.total.data();
  call.slices = job.per_output ? tile.per_output.data() : nullptr;
  call.report = report_progress;
  call.context = &context.control;
  TensimCudaError error{};
  check_cuda(api.closure_products(&call, &error), error);

  const bool means = rows.front()->method == Method::kClosure;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = job.symmetric ? i : 0; j < width; ++j) {
      const CudaClosure &a = *rows[i], &b = *columns[j];
      const std::size_t at = i * width + j, mirrored = j * width + i;
      for (std::size_t c = 0; c < outputs; ++c) {
        double mean = 0;
        for (std::size_t s = 0; means && s < a.positions; ++s) mean += a.means.at(s)[c] * b.means.at(s)[c];
        tile.total[at] += mean;
        if (job.per_output) tile.per_output[at * outputs + c] += mean;
      }
      if (!job.symmetric || i == j) continue;
      tile.total[mirrored] = tile.total[at];
      if (job.per_output) {
        std::copy_n(tile.per_output.data() + at * outputs, outputs, tile.per_output.data() + mirrored * outputs);
      }
    }
  }
  return tile;
}

}  // namespace tensim
