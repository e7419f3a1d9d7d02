#include "forward.h"

#include <list>

#include "../../core/error.h"
#include "../../model/image.h"
#include "../../model/norm.h"
#include "../../model/rotary.h"
#include "library.h"

namespace tensim {
namespace {

// Layers as the library takes them, and the memory that their parts lie in until it has copied them.
template <class T>
class Source {
 public:
  Source(const std::vector<LayerView>& layers, std::size_t positions, std::size_t features, bool tokens) {
    network_.single = sizeof(T) == sizeof(float) ? 1 : 0;
    network_.positions = positions;
    network_.features = features;
    outputs_ = features;
    if (tokens) {
      const auto& embedding = std::get<LinearView>(layers.front());
      network_.width = outputs_ = embedding.outputs();
      network_.table = table(embedding, features);
    }
    for (std::size_t i = tokens ? 1 : 0; i < layers.size(); ++i) add(layers[i], positions);
    network_.layer_count = layers_.size();
    network_.layers = layers_.data();
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  const TensimCudaNetwork& network() const { return network_; }
  std::size_t outputs() const { return outputs_; }

 private:
  using Order = std::vector<std::pair<const MatrixView*, std::size_t>>;  // rows of matrices

  void add(const LayerView& layer, std::size_t positions) {
    TensimCudaLayer made{};
    made.beta = 1;
    const Overload convert{
        [&](const LinearView& view) {
          made.kind = TENSIM_CUDA_LINEAR;
          made.map = map(view.weight, view.bias, view.outputs());
        },
        [&](const BilinearView& view) {
          made.kind = TENSIM_CUDA_BILINEAR;
          made.map = alternating(view.left, view.left_bias, view.right, view.right_bias);
          behind(view, made);
        },
        [&](const AttentionView& view) { attention(view, positions, made); },
        [&](const ActivationView& view) {
          made.kind = TENSIM_CUDA_ACTIVATION;
          made.map.outputs = made.map.depth = view.width();
          units(view, view.width(), made);
        },
        [&](const HiddenView& view) {
          made.kind = TENSIM_CUDA_HIDDEN;
          made.map = map(view.weight, view.bias, view.units());
          units(view, view.units(), made);
          behind(view, made);
          made.skip = map(view.skip, {}, view.outputs());
        },
        [&](const GatedView& view) {
          made.kind = TENSIM_CUDA_GATED;
          made.map = alternating(view.gate, view.gate_bias, view.up, view.up_bias);
          units(view, view.units(), made);
          behind(view, made);
          made.skip = map(view.skip, {}, view.outputs());
        },
        [&](const RmsNormView& view) { norm(view, false, made); },
        [&](const LayerNormView& view) { norm(view, true, made); },
        [&](const BatchNormView& view) { batch_norm(view, made); },
        [&](const PositionsView& view) {
          if (view.weight.rows < positions) throw Error("SHAPE_MISMATCH", "there are more positions than were learned");
          shift(view.width(), positions, made);
          std::vector<T>& added = fresh(positions * view.width());
          for (std::size_t s = 0; s < positions; ++s) copy_row(view.weight, s, added.data() + s * view.width());
          made.shift = added.data();
        },
        [](const auto& other) { refuse_layer(other, "the forward pass of the CUDA backend does not know"); },
    };
    std::visit(convert, layer);
    outputs_ = std::visit([](const auto& view) { return view.outputs(); }, layer);
    layers_.push_back(made);
  }

  void attention(const AttentionView& view, std::size_t positions, TensimCudaLayer& made) {
    made.kind = TENSIM_CUDA_ATTENTION;
    made.heads = view.heads;
    made.size = view.inner() / view.heads;
    made.causal = view.causal ? 1 : 0;
    const bool rotary = view.rotary_base > 0;
    if (rotary) made.turns = keep(rotations<T>(positions, made.size, view.rotary_base));
    // The features that a rotation turns together are put beside each other, in queries and keys alike.
    const auto feature = [&](std::size_t row) {
      const std::size_t head = row / made.size * made.size, i = row % made.size;
      return head + i / 2 + i % 2 * (made.size / 2);
    };
    const auto matrices = view.projections(), biases = view.projection_biases();
    Order rows, entries;
    for (std::size_t m = 0; m < matrices.size(); ++m) {
      for (std::size_t row = 0; row < view.inner(); ++row) {
        const std::size_t from = rotary && m + 1 < matrices.size() ? feature(row) : row;
        rows.emplace_back(&matrices[m], from);
        entries.emplace_back(&biases[m], from);
      }
    }
    made.map = map(rows, entries, view.width());
    made.down = map(view.o, view.o_bias, view.outputs());
    made.alpha = view.alpha;
    made.beta = view.beta;
  }

  template <bool Centred>
  void norm(const NormView<Centred>& view, bool centred, TensimCudaLayer& made) {
    made.kind = TENSIM_CUDA_NORM;
    made.map.outputs = made.map.depth = view.width();
    made.centred = centred ? 1 : 0;
    made.epsilon = view.epsilon;
    made.shifts = 1;
    if (!absent(view.weight)) made.factor = keep(gains<T>(view.weight, view.width(), view.offset));
    if (!absent(view.bias)) made.shift = keep(gains<T>(view.bias, view.width(), 0));
  }

  void batch_norm(const BatchNormView& view, TensimCudaLayer& made) {
    shift(view.width(), 1, made);
    const BatchNormPass<T> pass(view);
    const auto spread = [&](const std::vector<T>& channels) {
      std::vector<T>& all = fresh(view.width());
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = channels[i / view.area];
      return all.data();
    };
    made.mean = spread(pass.mean);
    made.factor = spread(pass.factor);
    made.shift = spread(pass.bias);
  }

  static void shift(std::size_t width, std::size_t positions, TensimCudaLayer& made) {
    made.kind = TENSIM_CUDA_SHIFT;
    made.map.outputs = made.map.depth = width;
    made.shifts = positions;
  }

  template <class View>
  void units(const View& view, std::size_t count, TensimCudaLayer& made) {
    made.activation = static_cast<std::int32_t>(view.activation.kind);
    made.slope = view.activation.slope;
    if (!absent(view.slopes)) made.slopes = column(view.slopes, count);
  }

  template <class View>
  void behind(const View& view, TensimCudaLayer& made) {
    made.down = map(view.down, view.down_bias, view.outputs());
    made.alpha = view.alpha;
    made.beta = view.beta;
  }

  TensimCudaMap map(const MatrixView& weight, const MatrixView& bias, std::size_t outputs) {
    TensimCudaMap made{outputs, absent(weight) ? 0 : weight.columns, nullptr, nullptr};
    if (!absent(weight)) {
      std::vector<T>& to = fresh(outputs * weight.columns);
      for (std::size_t row = 0; row < outputs; ++row) copy_row(weight, row, to.data() + row * weight.columns);
      made.weight = to.data();
    }
    if (!absent(bias)) made.bias = column(bias, outputs);
    return made;
  }
  TensimCudaMap map(const Order& rows, const Order& biases, std::size_t depth) {
    std::vector<T>& weight = fresh(rows.size() * depth);
    for (std::size_t i = 0; i < rows.size(); ++i) copy_row(*rows[i].first, rows[i].second, weight.data() + i * depth);
    TensimCudaMap made{rows.size(), depth, weight.data(), nullptr};
    if (std::all_of(biases.begin(), biases.end(), [](const auto& entry) { return absent(*entry.first); })) return made;
    std::vector<T>& bias = fresh(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto& [vector, entry] = biases[i];
      bias[i] = absent(*vector) ? T(0) : static_cast<T>(element(*vector, entry));
    }
    made.bias = bias.data();
    return made;
  }
  TensimCudaMap alternating(const MatrixView& one, const MatrixView& one_bias, const MatrixView& other,
                            const MatrixView& other_bias) {
    Order rows, biases;
    for (std::size_t row = 0; row < one.rows; ++row) {
      rows.insert(rows.end(), {{&one, row}, {&other, row}});
      biases.insert(biases.end(), {{&one_bias, row}, {&other_bias, row}});
    }
    return map(rows, biases, one.columns);
  }

  // W e_t + b of every token t.
  const T* table(const LinearView& layer, std::size_t tokens) {
    const std::size_t width = layer.outputs();
    std::vector<T>& table = fresh(tokens * width);
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t i = 0; i < width; ++i) {
        const T weight = static_cast<T>(element(layer.weight, i, t));
        table[t * width + i] = absent(layer.bias) ? weight : weight + static_cast<T>(element(layer.bias, i));
      }
    }
    return table.data();
  }

  const T* column(const MatrixView& view, std::size_t size) {
    std::vector<T>& to = fresh(size);
    for (std::size_t i = 0; i < size; ++i) to[i] = static_cast<T>(element(view, i));
    return to.data();
  }
  static void copy_row(const MatrixView& matrix, std::size_t row, T* to) {
    visit(matrix, [&](const auto* data) {
      const auto* from = data + static_cast<std::ptrdiff_t>(row) * matrix.row_stride;
      for (std::size_t i = 0; i < matrix.columns; ++i)
        to[i] = static_cast<T>(from[static_cast<std::ptrdiff_t>(i) * matrix.column_stride]);
    });
  }
  const T* keep(std::vector<T> values) { return kept_.emplace_back(std::move(values)).data(); }
  std::vector<T>& fresh(std::size_t size) { return kept_.emplace_back(size); }

  TensimCudaNetwork network_{};
  std::size_t outputs_ = 0;
  std::vector<TensimCudaLayer> layers_;
  std::list<std::vector<T>> kept_;  // stays where it is as it grows
};

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

CudaForwardPointer prepare_cuda_forward(const TensimCudaApi& api, int device, DType dtype,
                                        const std::vector<LayerView>& layers, std::size_t positions,
                                        std::size_t features, bool tokens) {
  const auto prepare = [&](auto type) {
    const Source<decltype(type)> source(layers, positions, features, tokens);
    return std::make_shared<const CudaForward>(api, device, source.network(), source.outputs());
  };
  return dtype == DType::kFloat64 ? prepare(double()) : prepare(float());
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
