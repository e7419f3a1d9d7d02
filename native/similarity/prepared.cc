#include "prepared.h"

#include <string>

#include "../core/assert.h"
#include "../core/error.h"
#include "../gaussian/two_block_pair.h"
#include "hidden_tile.h"
#include "pair_tile.h"

namespace tensim {
namespace {

template <class T>
AnyPrepared prepare_as(const Context& context, Method method, Route route, const ChainView& chain, bool once) {
  switch (method) {
    case Method::kOneBlock: {
      PreparedModel<T> model =
          prepare<T>(context, fold_one_block(context, chain, route == Route::kUnfolded), route, once);
      model.positions = chain.positions;
      return model;
    }
    case Method::kHidden:
      return prepare_hidden<T>(context, fold_units(context, chain), chain.positions);
    case Method::kTwoBlock:
      return prepare_two_block<T>(context, chain);
    case Method::kClosure:
      return prepare_closure<T>(context, chain);
    case Method::kTensor:
      return prepare_tensor<T>(context, chain);
  }
  unreachable();
}

template <class T>
GramTile tile_of(const Context& context, const GramJob& job, const std::vector<const PreparedModel<T>*>& rows,
                 const std::vector<const PreparedModel<T>*>& columns) {
  return gram_tile<T>(context, job, rows, columns);
}
template <class T>
GramTile tile_of(const Context& context, const GramJob& job, const std::vector<const PreparedHidden<T>*>& rows,
                 const std::vector<const PreparedHidden<T>*>& columns) {
  return hidden_tile<T>(context, job, rows, columns);
}
template <class T>
GramTile tile_of(const Context& context, const GramJob& job, const std::vector<const ClosureModel<T>*>& rows,
                 const std::vector<const ClosureModel<T>*>& columns) {
  return pair_tile(context, job, rows, columns, closure_slices<T>, closure_flops<T>);
}
template <class T>
GramTile tile_of(const Context& context, const GramJob& job, const std::vector<const TwoBlockModel<T>*>& rows,
                 const std::vector<const TwoBlockModel<T>*>& columns) {
  return pair_tile(context, job, rows, columns, two_block_slices<T>, two_block_flops<T>);
}
template <class T>
GramTile tile_of(const Context& context, const GramJob& job, const std::vector<const TensorModel<T>*>& rows,
                 const std::vector<const TensorModel<T>*>& columns) {
  return pair_tile(context, job, rows, columns, tensor_slices<T>, tensor_flops<T>);
}

}  // namespace

AnyPrepared prepare_chain(const Context& context, Method method, Route route, DType dtype, const ChainView& chain,
                          bool once) {
  return dtype == DType::kFloat64 ? prepare_as<double>(context, method, route, chain, once)
                                  : prepare_as<float>(context, method, route, chain, once);
}

GramTile gram_tile(const Context& context, const GramJob& job, const std::vector<const AnyPrepared*>& rows,
                   const std::vector<const AnyPrepared*>& columns) {
  if (rows.empty() || columns.empty()) return {};
  return std::visit(
      [&](const auto& first) {
        using Model = std::decay_t<decltype(first)>;
        const auto same = [](const std::vector<const AnyPrepared*>& models) {
          std::vector<const Model*> pointers;
          for (const AnyPrepared* model : models) {
            const auto* pointer = std::get_if<Model>(model);
            if (pointer == nullptr) {
              throw Error("INVALID_ARGUMENT",
                          "all models of a tile must be prepared by the same method with the same dtype");
            }
            pointers.push_back(pointer);
          }
          return pointers;
        };
        return tile_of(context, job, same(rows), same(columns));
      },
      *rows.front());
}

}  // namespace tensim
