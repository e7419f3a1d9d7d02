#include "../calls.h"
#include "../../core/error.h"
#include "../arguments.h"
#include "../environment.h"
#include "../handles.h"
#include "library.h"
#include "models.h"

namespace tensim::addon {
namespace {

class PrepareCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  std::string library;
  CudaDevices devices;
  CudaType type = DType::kFloat64;
  SourceArguments source;

  void execute(const Context& context) override {
    const TensimCudaApi& api = CudaLibrary::open(library).api();
    if (source.features) {
      take(on_each<CudaModelPointer>(
          context, devices, [&](int device) { return prepare_cuda_features(api, device, type, source.segments); }));
      return;
    }
    switch (source.method) {
      case Method::kOneBlock: {
        const auto map = fold_one_block(context, source.chain);
        take(on_each<CudaModelPointer>(context, devices, [&](int device) {
          return prepare_cuda(context, api, device, type, map, source.route, source.chain.positions);
        }));
        return;
      }
      case Method::kTwoBlock:
      case Method::kClosure:
      case Method::kTensor:
        take(prepare_cuda_closure(context, api, devices, source.method, source.dtype, source.chain));
        return;
      case Method::kHidden: {
        const auto units = fold_units(context, source.chain);
        take(on_each<CudaUnitsPointer>(context, devices, [&](int device) {
          return prepare_cuda_units(context, api, device, type, units, source.chain.positions);
        }));
        return;
      }
    }
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Array models = Napi::Array::New(env);
    for (AnyCudaModel& model : models_) models.Set(models.Length(), to_object(env, std::move(model)));
    return models;
  }

 private:
  template <class Pointer>
  void take(std::vector<Pointer> models) {
    models_.assign(models.begin(), models.end());
  }

  std::vector<AnyCudaModel> models_;
};

class GramTileCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  std::string library;

  void read(const Napi::Value& job, const Napi::Value& rows, const Napi::Value& columns) {
    job_ = read_job(job);
    rows_ = read_models(rows, "rows");
    columns_ = read_models(columns, "columns");
    if (job_.symmetric && rows_ != columns_) {
      fail(job.Env(), "INVALID_ARGUMENT", "a symmetric tile needs the same models as rows and as columns");
    }
  }

  void execute(const Context& context) override {
    if (rows_.empty() || columns_.empty()) return;
    const TensimCudaApi& api = CudaLibrary::open(library).api();
    if (std::holds_alternative<CudaModelPointer>(rows_.front())) {
      tile_ = cuda_gram_tile(context, api, job_, cuda_models<CudaModel>(rows_), cuda_models<CudaModel>(columns_));
    } else if (std::holds_alternative<CudaUnitsPointer>(rows_.front())) {
      tile_ = cuda_units_tile(context, api, job_, cuda_models<CudaUnits>(rows_), cuda_models<CudaUnits>(columns_));
    } else {
      tile_ =
          cuda_closure_tile(context, api, job_, cuda_models<CudaClosure>(rows_), cuda_models<CudaClosure>(columns_));
    }
  }

  Napi::Value result(Napi::Env env) override { return to_object(env, tile_, job_.per_output); }

 private:
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
  if (!info[1].IsArray()) fail(info.Env(), "INVALID_ARGUMENT", "devices must be an array of numbers");
  const auto devices = info[1].As<Napi::Array>();
  for (std::uint32_t i = 0; i < devices.Length(); ++i) {
    call->devices.push_back(static_cast<int>(read_size(devices.Get(i), "a device")));
  }
  call->type = read_cuda_type(info[3]);
  call->source = read_source(info[2], call->type.dtype, *call);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

Napi::Value cuda_dispose(const Napi::CallbackInfo& info) {
  std::visit([](auto& model) { model.reset(); }, cuda_model_of(info[0]));
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
