#pragma once

#include <napi.h>

#include <string>
#include <variant>
#include <vector>

#include "../../core/error.h"
#include "closure.h"
#include "prepared.h"
#include "units.h"

namespace tensim::addon {

// A model as JavaScript holds it, by its method: empty when it has been disposed of.
using AnyCudaModel = std::variant<CudaModelPointer, CudaClosurePointer, CudaUnitsPointer>;

// 'float64', 'float32' or 'tf32'
CudaType read_cuda_type(const Napi::Value& value);

// { model, outputs, bytes }
Napi::Object to_object(Napi::Env env, AnyCudaModel model);

// Checks that the value is such a model; it may have been disposed of.
AnyCudaModel& cuda_model_of(const Napi::Value& value);

// An array of them, none disposed of.
std::vector<AnyCudaModel> read_models(const Napi::Value& value, const std::string& what);

// Those of one method, which all must be of.
template <class Model>
std::vector<const Model*> cuda_models(const std::vector<AnyCudaModel>& models) {
  std::vector<const Model*> result;
  for (const AnyCudaModel& model : models) {
    const auto* const pointer = std::get_if<std::shared_ptr<const Model>>(&model);
    if (pointer == nullptr) throw Error("INVALID_ARGUMENT", "all models of a tile must be prepared by the same method");
    result.push_back(pointer->get());
  }
  return result;
}

}  // namespace tensim::addon
