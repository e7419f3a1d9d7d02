// The addon's entry: what `require` of the built file gives. lib/machines/native.ts is its only user.
#include <napi.h>

#include "../core/cpu_features.h"
#include "../core/error.h"
#include "../gemm/gemm.h"
#include "../gemm/speed.h"
#include "arguments.h"
#include "calls.h"
#include "environment.h"
#include "handles.h"

namespace tensim::addon {
namespace {

// What `tensim doctor` tells of the machine.
Napi::Value info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object object = Napi::Object::New(env);
  object.Set("instructionSet", name(Environment::of(env).kernels().instruction_set));
  Napi::Array available = Napi::Array::New(env);
  for (InstructionSet set : available_instruction_sets()) available.Set(available.Length(), name(set));
  object.Set("available", available);
  object.Set("processor", processor_name());
  object.Set("l1", static_cast<double>(cache_sizes().l1));
  object.Set("l2", static_cast<double>(cache_sizes().l2));
  object.Set("nodeApi", NAPI_VERSION);
  object.Set("arrays", Environment::of(env).stores().holds() ? "held" : "copied");
#if defined(__clang__)
  object.Set("compiler", "clang " __clang_version__);
#elif defined(__GNUC__)
  object.Set("compiler", "gcc " __VERSION__);
#elif defined(_MSC_VER)
  object.Set("compiler", "msvc " + std::to_string(_MSC_VER));
#endif
  return object;
}

// gemmWorkspace(m, n, k, dtype) → bytes that one product of these sizes takes for its panels.
Napi::Value gemm_workspace_of(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Napi::Number::New(env, static_cast<double>(gemm_workspace(Environment::of(env).kernels(), read_dtype(info[3]),
                                                                   read_size(info[0], "m"), read_size(info[1], "n"),
                                                                   read_size(info[2], "k"))));
}

// speed(dtype) → flops per second of one thread on registers. It measures for a moment, on the calling thread.
Napi::Value speed(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const KernelSet& kernels = Environment::of(env).kernels();
  return Napi::Number::New(
      env, read_dtype(info[0]) == DType::kFloat64 ? measure_speed<double>(kernels) : measure_speed<float>(kernels));
}

// The function as JavaScript calls it.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value outermost(const Napi::CallbackInfo& info) {
  return translated(info.Env(), [&] { return function(info); });
}

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void add(Napi::Object& exports, const char* name) {
  exports.Set(name, Napi::Function::New<outermost<function>>(exports.Env(), name));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  translated(env, [&] { env.SetInstanceData(new Environment(env)); });
  Environment& environment = Environment::of(env);
  Napi::Function control = ControlHandle::define(env), prepared = PreparedHandle::define(env),
                 forward = ForwardHandle::define(env);
  environment.prepared_constructor = Napi::Persistent(prepared);
  environment.forward_constructor = Napi::Persistent(forward);
  exports.Set("Control", control);
  exports.Set("Plan", PlanHandle::define(env));
  add<info>(exports, "info");
  add<prepare_call>(exports, "prepare");
  add<prepare_calm_call>(exports, "prepareCalm");
  add<gram_tile_call>(exports, "gramTile");
  add<prepare_forward_call>(exports, "prepareForward");
  add<evaluate_call>(exports, "evaluate");
  add<contract_call>(exports, "contract");
  add<loop_hafnian_call>(exports, "loopHafnian");
  add<low_rank_products_call>(exports, "lowRankProducts");
  add<normals_call>(exports, "normals");
  add<symmetric_eigen_call>(exports, "symmetricEigen");
  add<cuda_devices>(exports, "cudaDevices");
  add<cuda_prepare_call>(exports, "cudaPrepare");
  add<cuda_dispose>(exports, "cudaDispose");
  add<cuda_peak_call>(exports, "cudaPeak");
  add<cuda_gram_tile_call>(exports, "cudaGramTile");
  add<cuda_prepare_forward_call>(exports, "cudaPrepareForward");
  add<cuda_dispose_forward>(exports, "cudaDisposeForward");
  add<cuda_evaluate_call>(exports, "cudaEvaluate");
  add<cuda_keep_call>(exports, "cudaKeep");
  add<cuda_combine_call>(exports, "cudaCombine");
  add<cuda_sample_products_call>(exports, "cudaSampleProducts");
  add<cuda_normals_call>(exports, "cudaNormals");
  add<cuda_contract_call>(exports, "cudaContract");
  add<gemm_workspace_of>(exports, "gemmWorkspace");
  add<speed>(exports, "speed");
  add<peak_call>(exports, "peak");
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, init)

}  // namespace tensim::addon
