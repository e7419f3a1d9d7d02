#include <variant>

#include "../../core/error.h"
#include "../arguments.h"
#include "../calls.h"
#include "../environment.h"
#include "../handles.h"
#include "closure.h"
#include "library.h"
#include "prepared.h"

namespace tensim::addon {
namespace {

// A model as JavaScript holds it, by its method: empty when it has been disposed of.
using AnyCudaModel = std::variant<CudaModelPointer, CudaClosurePointer>;
using ModelExternal = Napi::External<AnyCudaModel>;
constexpr napi_type_tag kCudaModelTag{0x4f1d9a6be2c84735u, 0x87b3e05c1f9d4a62u};

AnyCudaModel& pointer_of(const Napi::Value& value) {
  if (!value.IsExternal() || !value.As<ModelExternal>().CheckTypeTag(&kCudaModelTag)) {
    fail(value.Env(), "INVALID_ARGUMENT", "a tile takes models prepared by this backend");
  }
  return *value.As<ModelExternal>().Data();
}

class PrepareCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  std::string library;
  int device = 0;
  SourceArguments source;

  void execute(const Context& context) override {
    const TensimCudaApi& api = CudaLibrary::open(library).api();
    if (source.features) {
      model_ = prepare_cuda_features(api, device, source.dtype, source.segments);
      return;
    }
    switch (source.method) {
      case Method::kOneBlock:
        model_ = prepare_cuda(context, api, device, source.dtype, fold_one_block(context, source.chain), source.route,
                              source.chain.positions);
        return;
      case Method::kClosure:
        model_ = prepare_cuda_closure(context, api, device, source.dtype, source.chain);
        return;
      case Method::kHidden:
      case Method::kTwoBlock:
      case Method::kTensor:
        break;
    }
    throw Error("INVALID_ARGUMENT", "the CUDA backend knows the methods one-block and closure only");
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object object = Napi::Object::New(env);
    std::visit(
        [&](const auto& model) {
          object.Set("outputs", static_cast<double>(model->outputs));
          object.Set("bytes", static_cast<double>(model->bytes()));
        },
        model_);
    auto owned = std::make_unique<AnyCudaModel>(std::move(model_));
    auto external = ModelExternal::New(env, owned.get(), [](Napi::Env, AnyCudaModel* held) { delete held; });
    owned.release();  // the finalizer's from here on
    external.TypeTag(&kCudaModelTag);
    object.Set("model", external);
    return object;
  }

 private:
  AnyCudaModel model_;
};

class GramTileCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  std::string library;

  void read(const Napi::Value& job, const Napi::Value& rows, const Napi::Value& columns) {
    job_ = read_job(job);
    rows_ = read_models(rows);
    columns_ = read_models(columns);
    if (job_.symmetric && rows_ != columns_) {
      fail(job.Env(), "INVALID_ARGUMENT", "a symmetric tile needs the same models as rows and as columns");
    }
  }

  void execute(const Context& context) override {
    if (rows_.empty() || columns_.empty()) return;
    const TensimCudaApi& api = CudaLibrary::open(library).api();
    if (std::holds_alternative<CudaModelPointer>(rows_.front())) {
      tile_ = cuda_gram_tile(context, api, job_, pointers<CudaModel>(rows_), pointers<CudaModel>(columns_));
    } else {
      tile_ = cuda_closure_tile(context, api, job_, pointers<CudaClosure>(rows_), pointers<CudaClosure>(columns_));
    }
  }

  Napi::Value result(Napi::Env env) override { return to_object(env, tile_, job_.per_output); }

 private:
  static std::vector<AnyCudaModel> read_models(const Napi::Value& value) {
    if (!value.IsArray()) fail(value.Env(), "INVALID_ARGUMENT", "rows and columns must be arrays of prepared models");
    const auto array = value.As<Napi::Array>();
    std::vector<AnyCudaModel> models;
    for (std::uint32_t i = 0; i < array.Length(); ++i) {
      models.push_back(pointer_of(array.Get(i)));
      if (std::visit([](const auto& model) { return model == nullptr; }, models.back())) {
        fail(value.Env(), "INVALID_ARGUMENT", "the prepared model has been disposed of");
      }
    }
    return models;
  }

  template <class Model>
  static std::vector<const Model*> pointers(const std::vector<AnyCudaModel>& models) {
    std::vector<const Model*> result;
    for (const AnyCudaModel& model : models) {
      const auto* const pointer = std::get_if<std::shared_ptr<const Model>>(&model);
      if (pointer == nullptr)
        throw Error("INVALID_ARGUMENT", "all models of a tile must be prepared by the same method");
      result.push_back(pointer->get());
    }
    return result;
  }

  GramJob job_;
  std::vector<AnyCudaModel> rows_, columns_;
  GramTile tile_;
};

class PeakCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  std::string library;
  int device = 0;
  DType dtype = DType::kFloat64;

  void execute(const Context&) override {
    TensimCudaError error{};
    const int32_t single = dtype == DType::kFloat32 ? 1 : 0;
    check_cuda(CudaLibrary::open(library).api().peak(device, single, &rate_, &error), error);
  }

  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, rate_); }

 private:
  double rate_ = 0;
};

Napi::Array describe_devices(Napi::Env env, const TensimCudaApi& api) {
  TensimCudaError error{};
  std::int32_t count = 0;
  check_cuda(api.device_count(&count, &error), error);
  Napi::Array devices = Napi::Array::New(env);
  for (std::int32_t device = 0; device < count; ++device) {
    TensimCudaDevice found{};
    check_cuda(api.device_info(device, &found, &error), error);
    Napi::Object object = Napi::Object::New(env);
    const auto version = [](int number) {
      return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
    };
    object.Set("name", found.name);
    object.Set("driver", version(found.driver));
    object.Set("runtime", version(found.runtime));
    object.Set("capability", std::to_string(found.major) + "." + std::to_string(found.minor));
    object.Set("freeMemory", static_cast<double>(found.free_memory));
    object.Set("totalMemory", static_cast<double>(found.total_memory));
    object.Set("bandwidth", found.bandwidth);
    devices.Set(static_cast<std::uint32_t>(device), object);
  }
  return devices;
}

}  // namespace

Napi::Value cuda_devices(const Napi::CallbackInfo& info) {
  return describe_devices(info.Env(), CudaLibrary::open(read_string(info[0], "library")).api());
}

Napi::Value cuda_prepare_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<PrepareCall>(ControlHandle::unwrap(info[5]), read_threads(info[4]));
  call->library = read_string(info[0], "library");
  call->device = static_cast<int>(read_size(info[1], "device"));
  call->source = read_source(info[2], read_dtype(info[3]), *call);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

Napi::Value cuda_dispose(const Napi::CallbackInfo& info) {
  std::visit([](auto& model) { model.reset(); }, pointer_of(info[0]));
  return info.Env().Undefined();
}

Napi::Value cuda_peak_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<PeakCall>(ControlHandle::unwrap(info[3]), 1);
  call->library = read_string(info[0], "library");
  call->device = static_cast<int>(read_size(info[1], "device"));
  call->dtype = read_dtype(info[2]);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

Napi::Value cuda_gram_tile_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<GramTileCall>(ControlHandle::unwrap(info[5]), read_threads(info[4]));
  call->library = read_string(info[0], "library");
  call->read(info[1], info[2], info[3]);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

}  // namespace tensim::addon
