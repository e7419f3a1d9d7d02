#include "closure.h"

#include <algorithm>
#include <string>

#include "../gemm/gemm.h"
#include "stages.h"

namespace tensim {

template <class T>
std::size_t ClosureModel<T>::bytes() const {
  std::size_t sum = front.bytes() + (means.values.size() + self.size()) * sizeof(double);
  for (const ClosureStage<T>& stage : stages) {
    sum += stage.after.bytes() + std::visit([](const auto& block) { return block.bytes(); }, stage.block);
  }
  return sum;
}

template <class T>
ClosureModel<T> prepare_closure(const Context& context, const ChainView& view) {
  Stages<T> chain = stages_of<T>(context, view);
  const std::size_t positions = view.positions;
  ClosureModel<T> model;
  model.positions = positions;
  model.outputs = chain.outputs;
  model.front = std::move(chain.front.matrix);
  model.inputs = model.front.columns;
  model.means = {true, model.front.rows, std::move(chain.front.offset)};

  Covariance<T> covariance = independent(context, model.front, model.front, positions);
  for (std::size_t i = 0; i < chain.stages.size(); ++i) {
    Stage<T>& stage = chain.stages[i];
    ClosureStage<T> ready;
    const auto prepare = Overload{
        [&](const BilinearView& block) -> ClosureBlock<T> {
          return prepare_bilinear(context, block, covariance, model.means);
        },
        [&](const AttentionView& block) -> ClosureBlock<T> {
          return prepare_attention(context, block, positions, covariance, model.means);
        },
    };
    ready.block = std::visit(prepare, stage.block);
    ready.linear_after = stage.linear_after;
    ready.after = std::move(stage.after);
    if (ready.linear_after) {
      Means out{model.means.alike, ready.after.rows, {}};
      for (std::size_t s = 0; s < (out.alike ? 1 : positions); ++s) {
        std::vector<double> y = stage.after_bias;
        add_product(ready.after, model.means.at(s), 1, y.data());
        out.values.insert(out.values.end(), y.begin(), y.end());
      }
      model.means = std::move(out);
    }
    model.stages.push_back(std::move(ready));
    if (i + 1 < chain.stages.size())
      covariance = advance(context, &model.stages.back(), &model.stages.back(), covariance);
  }
  model.self = closure_slices(context, model, model);
  return model;
}

Error unlike_blocks(std::string_view kind, std::string_view other) {
  return Error("UNSUPPORTED_LAYER", "a " + std::string(std::max(kind, other)) +
                                        " block stands where the other model has " +
                                        std::string(std::min(kind, other)));
}

#define TENSIM_INSTANTIATE(T)      \
  template struct ClosureModel<T>; \
  template ClosureModel<T> prepare_closure<T>(const Context&, const ChainView&);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
