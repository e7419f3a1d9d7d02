#include "sequence.h"

#include <algorithm>

namespace tensim {
namespace {

template <class T>
void grow(AlignedBuffer<T>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer = AlignedBuffer<T>(size);
}

}  // namespace

template <class T>
void PassSequence<T>::add(const Context& context, const LayerView& layer, std::size_t positions) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const Overload pass{
      [&](const LinearView& view) -> Pass { return LinearPass<T>(kernels, view); },
      [&](const BilinearView& view) -> Pass { return BilinearPass<T>(kernels, view); },
      [&](const AttentionView& view) -> Pass { return AttentionPass<T>(kernels, view, positions); },
      [&](const RmsNormView& view) -> Pass { return NormPass<T>(view); },
      [&](const LayerNormView& view) -> Pass { return NormPass<T>(view); },
      [&](const BatchNormView& view) -> Pass { return BatchNormPass<T>(view); },
      [&](const ConvolutionView& view) -> Pass { return ConvolutionPass<T>(kernels, view); },
      [&](const PoolView& view) -> Pass { return PoolPass<T>(view); },
      [&](const SoftmaxAttentionView& view) -> Pass { return SoftmaxAttentionPass<T>(kernels, view, positions); },
      [&](const PositionsView& view) -> Pass { return PositionsPass<T>(view, positions); },
      [&](const ActivationView& view) -> Pass { return ActivationPass<T>(kernels, view); },
      [&](const HiddenView& view) -> Pass { return HiddenPass<T>(kernels, view); },
      [&](const GatedView& view) -> Pass { return GatedPass<T>(kernels, view); },
      [&](const ParallelView& view) -> Pass { return ParallelPass<T>(context, view, positions); },
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
std::size_t PassSequence<T>::bytes() const {
  std::size_t sum = 0;
  for (const Pass& pass : passes_) sum += std::visit([](const auto& kind) { return kind.bytes(); }, pass);
  return sum;
}

template <class T>
double PassSequence<T>::flops_per_row(std::size_t positions) const {
  double flops = 0;
  for (const Pass& pass : passes_) {
    flops += std::visit([&](const auto& kind) { return kind.flops_per_row(positions); }, pass);
  }
  return flops;
}

template <class T>
void PassSequence<T>::reserve(std::size_t rows, ForwardScratch<T>& scratch) const {
  grow(scratch.x, rows * widest_);
  grow(scratch.y, rows * widest_);
  grow(scratch.wide, rows * widest_inside_);
  grow(scratch.joined, rows * widest_joined_);
}

template <class T>
void PassSequence<T>::apply(const Context& context, std::size_t rows, std::size_t positions,
                            ForwardScratch<T>& scratch) const {
  for (const Pass& pass : passes_) {
    context.control.throw_if_aborted();
    std::visit([&](const auto& kind) { kind.apply(context, rows, positions, scratch); }, pass);
    std::swap(scratch.x, scratch.y);
  }
}

template class PassSequence<double>;
template class PassSequence<float>;

}  // namespace tensim
