#include "closure.h"

#include <algorithm>
#include <array>
#include <list>

#include "../../gaussian/stages.h"
#include "../../model/rotary.h"
#include "library.h"

namespace tensim {
namespace {

// A chain as the interface takes it, and the copies it points to.
template <class T>
struct ChainSource {
  TensimCudaChain chain{};
  std::vector<TensimCudaStage> stages;
  std::list<Matrix<T>> copies;
  std::list<std::vector<double>> vectors;

  // Of the closure.
  ChainSource(const Stages<T>& model, std::size_t positions) : ChainSource(positions, model.front.matrix) {
    chain.outputs = model.outputs;
    chain.offset = biases(model.front.offset);
    for (const Stage<T>& from : model.stages) {
      TensimCudaStage stage{};
      std::visit([&](const auto& block) { read(block, positions, stage); }, from.block);
      if (from.linear_after) {
        stage.after_rows = from.after.rows;
        stage.after = from.after.data();
        stage.after_bias = biases(from.after_bias);
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

  // Null where all are zero.
  const double* biases(std::vector<double> values) {
    return any(values) ? vectors.emplace_back(std::move(values)).data() : nullptr;
  }
  const T* copy(const MatrixView& view, double factor = 1) {
    return copies.emplace_back(Matrix<T>::copy(view, factor)).data();
  }
  // Matrices of the same sizes, below each other.
  template <class Views>
  const T* stack(const Views& views) {
    Matrix<T>& all = copies.emplace_back(views.size() * views[0].rows, views[0].columns);
    for (std::size_t i = 0; i < views.size(); ++i) {
      const Matrix<T> each = Matrix<T>::copy(views[i]);
      std::copy_n(each.data(), each.values.size(), all.row(i * each.rows));
    }
    return all.data();
  }
  template <class Views>
  const double* stack_biases(const Views& views, std::size_t size) {
    std::vector<double> all;
    for (const MatrixView& view : views) {
      const std::vector<double> each = vector_of(view, size);
      all.insert(all.end(), each.begin(), each.end());
    }
    return biases(std::move(all));
  }

  // α, and of what comes out of a block its width and bias.
  template <class View>
  void read_ends(const View& block, const MatrixView& bias, TensimCudaStage& stage) {
    stage.width = block.width();
    stage.outputs = block.outputs();
    stage.alpha = block.alpha;
    stage.beta = block.beta;
    std::vector<double> scaled = vector_of(bias, block.outputs());
    for (double& x : scaled) x *= block.beta;
    stage.bias = biases(std::move(scaled));
  }

  void read(const BilinearView& block, std::size_t, TensimCudaStage& stage) {
    read_ends(block, block.down_bias, stage);
    stage.units = block.units();
    stage.factors = stack(std::array{block.left, block.right});
    stage.unit_bias = stack_biases(std::array{block.left_bias, block.right_bias}, block.units());
    stage.has_down = absent(block.down) ? 0 : 1;
    if (stage.has_down != 0) stage.down = copy(block.down, block.beta);
  }

  void read(const AttentionView& block, std::size_t positions, TensimCudaStage& stage) {
    read_ends(block, block.o_bias, stage);
    stage.attention = 1;
    stage.heads = block.heads;
    stage.size = block.inner() / block.heads;
    stage.causal = block.causal ? 1 : 0;
    stage.weights = stack(block.projections());
    stage.projection_bias = stack_biases(block.projection_biases(), block.inner());
    if (block.rotary_base > 0) stage.turns = biases(rotations<double>(positions, stage.size, block.rotary_base));
    const auto size = static_cast<double>(stage.size);
    stage.output = copy(block.o, block.beta / (size * size));
  }
};

template <class T>
CudaChainTraits traits_of(Method method, std::size_t positions, std::size_t inputs, std::size_t outputs) {
  CudaChainTraits traits;
  traits.method = method;
  traits.dtype = DTypeOf<T>::value;
  traits.positions = positions;
  traits.inputs = inputs;
  traits.outputs = outputs;
  return traits;
}

// create(device, traits, closure, error) of every device, with traits of its own.
template <class Create>
std::vector<CudaClosurePointer> create_on(const Context& context, const TensimCudaApi& api, const CudaDevices& devices,
                                          const CudaChainTraits& traits, const Create& create) {
  context.control.throw_if_aborted();
  return on_each<CudaClosurePointer>(context, devices, [&](int device) {
    CudaChainTraits own = traits;
    TensimCudaClosure* closure = nullptr;
    TensimCudaError error{};
    check_cuda(create(device, own, &closure, &error), error);
    return std::make_shared<CudaClosure>(api, closure, std::move(own));
  });
}

template <class T>
std::vector<CudaClosurePointer> prepare_chain_as(const Context& context, const TensimCudaApi& api,
                                                 const CudaDevices& devices, const ChainSource<T>& source,
                                                 const CudaChainTraits& traits) {
  return create_on(context, api, devices, traits,
                   [&](int device, CudaChainTraits& own, TensimCudaClosure** closure, TensimCudaError* error) {
                     TensimCudaChain chain = source.chain;
                     chain.means = own.means.values.empty() ? nullptr : own.means.values.data();
                     return api.closure_create(device, &chain, closure, error);
                   });
}

template <class T>
std::vector<CudaClosurePointer> prepare_closure_as(const Context& context, const TensimCudaApi& api,
                                                   const CudaDevices& devices, const ChainView& chain) {
  const Stages<T> model = stages_of<T>(context, chain);
  CudaChainTraits traits = traits_of<T>(Method::kClosure, chain.positions, model.front.matrix.columns, model.outputs);
  Means& means = traits.means;
  for (const Stage<T>& stage : model.stages) {
    traits.kinds.push_back(std::visit([](const auto& block) { return block.kType; }, stage.block));
    means.alike = means.alike && std::holds_alternative<BilinearView>(stage.block);
  }
  means.width = model.outputs;
  means.values.resize((means.alike ? 1 : chain.positions) * model.outputs);
  return prepare_chain_as<T>(context, api, devices, ChainSource<T>(model, chain.positions), traits);
}

template <class T>
std::vector<CudaClosurePointer> prepare_tensor_as(const Context& context, const TensimCudaApi& api,
                                                  const CudaDevices& devices, const ChainView& chain) {
  const TensorModel<T> model = fold_tensor<T>(context, chain);
  CudaChainTraits traits = traits_of<T>(Method::kTensor, model.positions, model.inputs, model.outputs);
  traits.kinds.assign(model.stages.size(), BilinearView::kType);
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
  return create_on(context, api, devices, traits_of<T>(Method::kTwoBlock, model.positions, model.inputs, model.outputs),
                   [&](int device, const CudaChainTraits&, TensimCudaClosure** closure, TensimCudaError* error) {
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
  // Means belong to slices, and a total is what its slices add up to in their order, to the bit.
  const bool means = rows.front()->method == Method::kClosure;
  if (job.per_output || means) tile.per_output.assign(tile.total.size() * outputs, 0.0);
  const auto row_models = on_device(rows), column_models = on_device(columns);
  TensimCudaClosureTile call{};
  call.rows = row_models.data();
  call.columns = column_models.data();
  call.row_count = rows.size();
  call.column_count = columns.size();
  call.symmetric = job.symmetric ? 1 : 0;
  call.total = tile.total.data();
  call.slices = tile.per_output.empty() ? nullptr : tile.per_output.data();
  call.report = report_progress;
  call.context = &context.control;
  TensimCudaError error{};
  check_cuda(api.closure_products(&call, &error), error);

  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = job.symmetric ? i : 0; j < width; ++j) {
      const CudaClosure &a = *rows[i], &b = *columns[j];
      const std::size_t at = i * width + j, mirrored = j * width + i;
      double total = 0;
      for (std::size_t c = 0; means && c < outputs; ++c) {
        double mean = 0;
        for (std::size_t s = 0; s < a.positions; ++s) mean += a.means.at(s)[c] * b.means.at(s)[c];
        total += tile.per_output[at * outputs + c] += mean;
      }
      if (means) tile.total[at] = total;
      if (!job.symmetric || i == j) continue;
      tile.total[mirrored] = tile.total[at];
      if (job.per_output) {
        std::copy_n(tile.per_output.data() + at * outputs, outputs, tile.per_output.data() + mirrored * outputs);
      }
    }
  }
  if (!job.per_output) tile.per_output.clear();
  return tile;
}

}  // namespace tensim
