#include "forward.h"

#include <algorithm>

namespace tensim {
namespace {

// Rows that go through all layers together on one thread: enough to make reading the weights cheap, few enough that the
// activations stay in the second cache.
constexpr std::size_t kChunkRows = 128;
// Numbers of a chunk behind any of the layers, at most, unless an input alone has more: images are wide.
constexpr std::size_t kChunkSize = std::size_t{1} << 22;

}  // namespace

template <class T>
ForwardPass<T>::ForwardPass(const Context& context, const std::vector<LayerView>& layers, std::size_t positions,
                            std::size_t features, bool tokens)
    : positions_(positions), features_(features), outputs_(features), widest_(features) {
  std::size_t first = 0;
  if (tokens) {
    embedding_.emplace(std::get<LinearView>(layers.front()), features);
    outputs_ = widest_ = embedding_->outputs;
    first = 1;
  }
  for (std::size_t i = first; i < layers.size(); ++i) {
    context.control.throw_if_aborted();
    add(context, layers[i]);
  }
}

template <class T>
void ForwardPass<T>::add(const Context& context, const LayerView& layer) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const Overload pass{
      [&](const LinearView& view) -> Pass { return LinearPass<T>(kernels, view); },
      [&](const BilinearView& view) -> Pass { return BilinearPass<T>(kernels, view); },
      [&](const AttentionView& view) -> Pass { return AttentionPass<T>(kernels, view, positions_); },
      [&](const RmsNormView& view) -> Pass { return NormPass<T>(view); },
      [&](const LayerNormView& view) -> Pass { return NormPass<T>(view); },
      [&](const BatchNormView& view) -> Pass { return BatchNormPass<T>(view); },
      [&](const ConvolutionView& view) -> Pass { return ConvolutionPass<T>(kernels, view); },
      [&](const PoolView& view) -> Pass { return PoolPass<T>(view); },
      [&](const SoftmaxAttentionView& view) -> Pass { return SoftmaxAttentionPass<T>(kernels, view, positions_); },
      [&](const PositionsView& view) -> Pass { return PositionsPass<T>(view, positions_); },
      [&](const ActivationView& view) -> Pass { return ActivationPass<T>(kernels, view); },
      [&](const HiddenView& view) -> Pass { return HiddenPass<T>(kernels, view); },
      [&](const GatedView& view) -> Pass { return GatedPass<T>(kernels, view); },
  };
  passes_.push_back(std::visit(pass, layer));
  std::visit(
      [&](const auto& kind) {
        outputs_ = kind.outputs;
        widest_inside_ = std::max(widest_inside_, kind.wide());
        widest_joined_ = std::max(widest_joined_, kind.joined());
      },
      passes_.back());
  widest_ = std::max(widest_, outputs_);
}

template <class T>
std::size_t ForwardPass<T>::bytes() const {
  std::size_t sum = embedding_ ? embedding_->bytes() : 0;
  for (const Pass& pass : passes_) sum += std::visit([](const auto& kind) { return kind.bytes(); }, pass);
  return sum;
}

template <class T>
double ForwardPass<T>::flops_per_row() const {
  double flops = 1;
  for (const Pass& pass : passes_) {
    flops += std::visit([&](const auto& kind) { return kind.flops_per_row(positions_); }, pass);
  }
  return flops;
}

template <class T>
void ForwardPass<T>::evaluate(const Context& context, const MatrixView& vectors, std::size_t batch, T* results) const {
  run(context, batch, results, [&](std::size_t first, std::size_t rows, T* x) {
    visit(vectors, [&](const auto* data) {
      const auto* from = data + first * features_;
      std::transform(from, from + rows * features_, x, [](auto value) { return static_cast<T>(value); });
    });
  });
}

template <class T>
void ForwardPass<T>::evaluate(const Context& context, const std::int32_t* tokens, std::size_t batch, T* results) const {
  run(context, batch, results, [&](std::size_t first, std::size_t rows, T* x) {
    for (std::size_t row = 0; row < rows; ++row) {
      const T* from = embedding_->row(tokens[first + row]);
      std::copy(from, from + embedding_->outputs, x + row * embedding_->outputs);
    }
  });
}

template <class T>
template <class Load>
void ForwardPass<T>::run(const Context& context, std::size_t batch, T* results, const Load& load) const {
  const std::size_t most = std::min(kChunkRows, kChunkSize / std::max<std::size_t>(1, widest_));
  const std::size_t per_chunk = std::max<std::size_t>(1, most / positions_);
  const double per_row = flops_per_row();
  context.control.expect(static_cast<std::uint64_t>(per_row * static_cast<double>(batch * positions_)));
  context.parallel_for((batch + per_chunk - 1) / per_chunk, [&](std::size_t chunk) {
    const std::size_t start = chunk * per_chunk, rows = (std::min(batch, start + per_chunk) - start) * positions_;
    const std::size_t first = start * positions_;
    ForwardScratch<T> scratch;
    scratch.x = AlignedBuffer<T>(rows * widest_);
    scratch.y = AlignedBuffer<T>(rows * widest_);
    scratch.wide = AlignedBuffer<T>(rows * widest_inside_);
    scratch.joined = AlignedBuffer<T>(rows * widest_joined_);
    load(first, rows, scratch.x.data());
    for (const Pass& pass : passes_) {
      context.control.throw_if_aborted();
      std::visit([&](const auto& kind) { kind.apply(context, rows, positions_, scratch); }, pass);
      std::swap(scratch.x, scratch.y);
    }
    std::copy(scratch.x.data(), scratch.x.data() + rows * outputs_, results + first * outputs_);
    context.control.advance(static_cast<std::uint64_t>(per_row * static_cast<double>(rows)));
  });
}

template class ForwardPass<double>;
template class ForwardPass<float>;

}  // namespace tensim
