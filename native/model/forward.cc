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
    : positions_(positions), features_(features), layers_(features) {
  if (tokens) {
    embedding_.emplace(std::get<LinearView>(layers.front()), features);
    layers_ = PassSequence<T>(embedding_->outputs);
  }
  for (std::size_t i = tokens ? 1 : 0; i < layers.size(); ++i) {
    context.control.throw_if_aborted();
    layers_.add(context, layers[i], positions_);
  }
}

template <class T>
std::size_t ForwardPass<T>::bytes() const {
  return (embedding_ ? embedding_->bytes() : 0) + layers_.bytes();
}

template <class T>
double ForwardPass<T>::flops_per_row() const {
  return 1 + layers_.flops_per_row(positions_);
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
  const std::size_t most = std::min(kChunkRows, kChunkSize / std::max<std::size_t>(1, layers_.widest()));
  const std::size_t per_chunk = std::max<std::size_t>(1, most / positions_);
  const double per_row = flops_per_row();
  context.control.expect(static_cast<std::uint64_t>(per_row * static_cast<double>(batch * positions_)));
  context.parallel_for((batch + per_chunk - 1) / per_chunk, [&](std::size_t chunk) {
    const std::size_t start = chunk * per_chunk, rows = (std::min(batch, start + per_chunk) - start) * positions_;
    const std::size_t first = start * positions_;
    ForwardScratch<T> scratch;
    layers_.reserve(rows, scratch);
    load(first, rows, scratch.x.data());
    layers_.apply(context, rows, positions_, scratch);
    std::copy(scratch.x.data(), scratch.x.data() + rows * outputs(), results + first * outputs());
    context.control.advance(static_cast<std::uint64_t>(per_row * static_cast<double>(rows)));
  });
}

template class ForwardPass<double>;
template class ForwardPass<float>;

}  // namespace tensim
