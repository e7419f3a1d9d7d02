#include "handles.h"

#include "arguments.h"
#include "environment.h"
#include "plan_reader.h"

namespace tensim::addon {
namespace {

// Tags tell our objects from any others that JavaScript may hand in.
constexpr napi_type_tag kControlTag{0x7a1f0e3c5b9d4862u, 0x9c46d2e80b7f3a15u};
constexpr napi_type_tag kPreparedTag{0x1d6b94f2a87c4e03u, 0xb25a7c91de604f38u};
constexpr napi_type_tag kModelTag{0x6e3d80c1f94b4a27u, 0xa8175f2cb6d94e70u};

constexpr napi_type_tag kPlanTag{0x3b8e52d7c0164fa9u, 0x8d2fe4165ba97c30u};
constexpr napi_type_tag kPassTag{0xf2ed66ffdcc99396u, 0x21bade026a6ae768u};
constexpr napi_type_tag kForwardTag{0x9dd8904f07489671u, 0x6102dd7063e8540eu};

}  // namespace

Napi::Function ControlHandle::define(Napi::Env env) {
  return DefineClass(
      env, "Control",
      {InstanceMethod<&ControlHandle::abort>("abort"), InstanceMethod<&ControlHandle::progress>("progress")});
}

ControlHandle::ControlHandle(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  info.This().As<Napi::Object>().TypeTag(&kControlTag);
}

std::shared_ptr<Control> ControlHandle::unwrap(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kControlTag)) {
    fail(value.Env(), "INVALID_ARGUMENT", "control must be a Control");
  }
  return Unwrap(value.As<Napi::Object>())->control_;
}

Napi::Value ControlHandle::abort(const Napi::CallbackInfo& info) {
  control_->abort();
  return info.Env().Undefined();
}

Napi::Value ControlHandle::progress(const Napi::CallbackInfo& info) {
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, static_cast<double>(control_->done()));
  pair.Set(1u, static_cast<double>(control_->total()));
  return pair;
}

Napi::Function PreparedHandle::define(Napi::Env env) {
  return DefineClass(
      env, "PreparedModel",
      {InstanceAccessor<&PreparedHandle::outputs>("outputs"), InstanceAccessor<&PreparedHandle::bytes>("bytes"),
       InstanceMethod<&PreparedHandle::dispose>("dispose")});
}

Napi::Object PreparedHandle::create(Napi::Env env, std::shared_ptr<const AnyPrepared> model) {
  auto external = Napi::External<std::shared_ptr<const AnyPrepared>>::New(env, &model);
  external.TypeTag(&kModelTag);
  return Environment::of(env).prepared_constructor.New({external});
}

PreparedHandle::PreparedHandle(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (info.Length() != 1 || !info[0].IsExternal() ||
      !info[0].As<Napi::External<std::shared_ptr<const AnyPrepared>>>().CheckTypeTag(&kModelTag)) {
    fail(info.Env(), "INVALID_ARGUMENT", "a prepared model is made by prepare()");
  }
  model_ = std::move(*info[0].As<Napi::External<std::shared_ptr<const AnyPrepared>>>().Data());
  std::visit(
      [this](const auto& model) {
        outputs_ = model.outputs;
        bytes_ = static_cast<std::int64_t>(model.bytes());
      },
      *model_);
  info.This().As<Napi::Object>().TypeTag(&kPreparedTag);
  Environment::of(info.Env()).adjust_memory(info.Env(), bytes_);
}

PreparedHandle::~PreparedHandle() {
  release(Env());
}

void PreparedHandle::release(Napi::Env env) {
  if (!model_) return;
  model_.reset();
  Environment::of(env).adjust_memory(env, -bytes_);
}

std::shared_ptr<const AnyPrepared> PreparedHandle::unwrap(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kPreparedTag)) {
    fail(value.Env(), "INVALID_ARGUMENT", "a tile takes models prepared by this backend");
  }
  std::shared_ptr<const AnyPrepared> model = Unwrap(value.As<Napi::Object>())->model_;
  if (!model) fail(value.Env(), "INVALID_ARGUMENT", "the prepared model has been disposed of");
  return model;
}

Napi::Value PreparedHandle::outputs(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(outputs_));
}

Napi::Value PreparedHandle::bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), model_ ? static_cast<double>(bytes_) : 0);
}

Napi::Value PreparedHandle::dispose(const Napi::CallbackInfo& info) {
  release(info.Env());
  return info.Env().Undefined();
}

Napi::Function ForwardHandle::define(Napi::Env env) {
  return DefineClass(
      env, "ForwardPass",
      {InstanceAccessor<&ForwardHandle::bytes>("bytes"), InstanceMethod<&ForwardHandle::dispose>("dispose")});
}

Napi::Object ForwardHandle::create(Napi::Env env, std::shared_ptr<const AnyForwardPass> pass) {
  auto external = Napi::External<std::shared_ptr<const AnyForwardPass>>::New(env, &pass);
  external.TypeTag(&kPassTag);
  return Environment::of(env).forward_constructor.New({external});
}

ForwardHandle::ForwardHandle(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (info.Length() != 1 || !info[0].IsExternal() ||
      !info[0].As<Napi::External<std::shared_ptr<const AnyForwardPass>>>().CheckTypeTag(&kPassTag)) {
    fail(info.Env(), "INVALID_ARGUMENT", "a forward pass is made by prepareForward()");
  }
  pass_ = std::move(*info[0].As<Napi::External<std::shared_ptr<const AnyForwardPass>>>().Data());
  bytes_ = static_cast<std::int64_t>(std::visit([](const auto& pass) { return pass.bytes(); }, *pass_));
  info.This().As<Napi::Object>().TypeTag(&kForwardTag);
  Environment::of(info.Env()).adjust_memory(info.Env(), bytes_);
}

ForwardHandle::~ForwardHandle() {
  release(Env());
}

void ForwardHandle::release(Napi::Env env) {
  if (!pass_) return;
  pass_.reset();
  Environment::of(env).adjust_memory(env, -bytes_);
}

std::shared_ptr<const AnyForwardPass> ForwardHandle::unwrap(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kForwardTag)) {
    fail(value.Env(), "INVALID_ARGUMENT", "evaluate takes a forward pass of this backend");
  }
  std::shared_ptr<const AnyForwardPass> pass = Unwrap(value.As<Napi::Object>())->pass_;
  if (!pass) fail(value.Env(), "INVALID_ARGUMENT", "this forward pass has been disposed of");
  return pass;
}

Napi::Value ForwardHandle::bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), pass_ ? static_cast<double>(bytes_) : 0);
}

Napi::Value ForwardHandle::dispose(const Napi::CallbackInfo& info) {
  release(info.Env());
  return info.Env().Undefined();
}

Napi::Function PlanHandle::define(Napi::Env env) {
  return DefineClass(env, "Plan", {});
}

PlanHandle::PlanHandle(const Napi::CallbackInfo& info)
    : ObjectWrap(info),
      plan_(translated(info.Env(), [&] { return std::make_shared<const ContractionPlan>(read_plan(info[0])); })) {
  info.This().As<Napi::Object>().TypeTag(&kPlanTag);
}

std::shared_ptr<const ContractionPlan> PlanHandle::unwrap(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kPlanTag)) {
    fail(value.Env(), "INVALID_ARGUMENT", "plan must be a Plan");
  }
  return Unwrap(value.As<Napi::Object>())->plan_;
}

}  // namespace tensim::addon
