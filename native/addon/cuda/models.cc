#include "models.h"

#include "../arguments.h"

namespace tensim::addon {
namespace {

using ModelExternal = Napi::External<AnyCudaModel>;
constexpr napi_type_tag kCudaModelTag{0x4f1d9a6be2c84735u, 0x87b3e05c1f9d4a62u};

}  // namespace

CudaType read_cuda_type(const Napi::Value& value) {
  if (value.IsString() && value.As<Napi::String>().Utf8Value() == "tf32") return {DType::kFloat32, true};
  return read_dtype(value);
}

Napi::Object to_object(Napi::Env env, AnyCudaModel model) {
  Napi::Object object = Napi::Object::New(env);
  std::visit(
      [&](const auto& own) {
        object.Set("outputs", static_cast<double>(own->outputs));
        object.Set("bytes", static_cast<double>(own->bytes()));
      },
      model);
  auto owned = std::make_unique<AnyCudaModel>(std::move(model));
  auto external = ModelExternal::New(env, owned.get(), [](Napi::Env, AnyCudaModel* held) { delete held; });
  owned.release();  // the finalizer's from here on
  external.TypeTag(&kCudaModelTag);
  object.Set("model", external);
  return object;
}

AnyCudaModel& cuda_model_of(const Napi::Value& value) {
  if (!value.IsExternal() || !value.As<ModelExternal>().CheckTypeTag(&kCudaModelTag)) {
    fail(value.Env(), "INVALID_ARGUMENT", "a tile takes models prepared by this backend");
  }
  return *value.As<ModelExternal>().Data();
}

std::vector<AnyCudaModel> read_models(const Napi::Value& value, const std::string& what) {
  if (!value.IsArray()) fail(value.Env(), "INVALID_ARGUMENT", what + " must be an array of prepared models");
  const auto array = value.As<Napi::Array>();
  std::vector<AnyCudaModel> models;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    models.push_back(cuda_model_of(array.Get(i)));
    if (std::visit([](const auto& model) { return model == nullptr; }, models.back())) {
      fail(value.Env(), "INVALID_ARGUMENT", "the prepared model has been disposed of");
    }
  }
  return models;
}

}  // namespace tensim::addon
