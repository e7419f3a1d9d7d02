#include "stages.h"

#include <string>

#include "../core/error.h"
#include "../gemm/gemm.h"

namespace tensim {
namespace {

template <class T>
Matrix<T> scaled_identity(std::size_t size, double factor) {
  Matrix<T> matrix = Matrix<T>::zeros(size, size);
  for (std::size_t i = 0; i < size; ++i) matrix.row(i)[i] = static_cast<T>(factor);
  return matrix;
}

// A chain while it is cut.
template <class T>
struct Cutting {
  const Context& context;
  const WhitenedLaw& law;
  Stages<T>& chain;
  // Until the first layer the front is C itself, which is not stored when it is a multiple of the identity.
  bool whole = false;

  void add(const LinearView& layer) {
    if (chain.stages.empty()) {
      chain.front.offset = multiply_vector(context, layer.weight, chain.front.offset, layer.bias);
      chain.front.matrix = whole                ? multiply<T>(context, layer.weight, chain.front.matrix.view())
                           : absent(law.factor) ? Matrix<T>::copy(layer.weight, law.sigma)
                                                : multiply<T>(context, layer.weight, law.factor);
      whole = true;
      return;
    }
    Stage<T>& stage = chain.stages.back();
    if (stage.linear_after) {
      stage.after = multiply<T>(context, layer.weight, stage.after.view());
      stage.after_bias = multiply_vector(context, layer.weight, stage.after_bias, layer.bias);
    } else {
      stage.linear_after = true;
      stage.after = Matrix<T>::copy(layer.weight);
      stage.after_bias = vector_of(layer.bias, layer.weight.rows);
    }
  }
  void add(const BilinearView& layer) { add_block(layer); }
  void add(const AttentionView& layer) { add_block(layer); }
  template <class View>
  void add(const View& layer) {
    refuse_layer(layer, "no exact method knows");
  }

 private:
  void add_block(const BlockView& block) {
    chain.stages.emplace_back();
    chain.stages.back().block = block;
  }
};

}  // namespace

template <class T>
Stages<T> stages_of(const Context& context, const ChainView& chain) {
  Stages<T> result;
  result.front.offset = vector_of(chain.law.mean, chain.inputs);
  result.outputs = chain.inputs;
  Cutting<T> cutting{context, chain.law, result};
  for (const LayerView& layer : chain.layers) {
    context.control.throw_if_aborted();
    std::visit(
        [&](const auto& kind) {
          cutting.add(kind);
          result.outputs = kind.outputs();
        },
        layer);
  }
  if (!cutting.whole) {
    result.front.matrix = absent(chain.law.factor) ? scaled_identity<T>(chain.inputs, chain.law.sigma)
                                                   : Matrix<T>::copy(chain.law.factor);
  }
  return result;
}

void require_bilinear(const ChainView& chain, const char* refusal) {
  const Overload check{[](const LinearView&) {}, [](const BilinearView&) {},
                       [&](const auto& layer) { refuse_layer(layer, refusal); }};
  for (const LayerView& layer : chain.layers) std::visit(check, layer);
}

template Stages<double> stages_of<double>(const Context&, const ChainView&);
template Stages<float> stages_of<float>(const Context&, const ChainView&);

}  // namespace tensim
