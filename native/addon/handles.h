#pragma once

#include <napi.h>

#include <memory>
#include <variant>

#include "../contraction/plan.h"
#include "../core/control.h"
#include "../model/forward.h"
#include "../similarity/prepared.h"

namespace tensim::addon {

// The JavaScript face of a Control: `abort()` and `progress()` → [done, total].
class ControlHandle : public Napi::ObjectWrap<ControlHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ControlHandle(const Napi::CallbackInfo& info);
  // Checks that the value is one.
  static std::shared_ptr<Control> unwrap(const Napi::Value& value);

 private:
  Napi::Value abort(const Napi::CallbackInfo& info);
  Napi::Value progress(const Napi::CallbackInfo& info);

  std::shared_ptr<Control> control_ = std::make_shared<Control>();
};

// The JavaScript face of a prepared model: `outputs`, `bytes`, `dispose()`. Calls under way hold the model itself, so
// that disposing of it in the middle is harmless. Made by `prepare` only.
class PreparedHandle : public Napi::ObjectWrap<PreparedHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object create(Napi::Env env, std::shared_ptr<const AnyPrepared> model);
  explicit PreparedHandle(const Napi::CallbackInfo& info);
  ~PreparedHandle() override;
  // Checks that the value is one and has not been disposed of.
  static std::shared_ptr<const AnyPrepared> unwrap(const Napi::Value& value);

 private:
  Napi::Value outputs(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  void release(Napi::Env env);

  std::shared_ptr<const AnyPrepared> model_;
  std::size_t outputs_ = 0;
  std::int64_t bytes_ = 0;
};

using AnyForwardPass = std::variant<ForwardPass<double>, ForwardPass<float>>;

// The JavaScript face of a forward pass: `bytes`, `dispose()`; otherwise as PreparedHandle. Made by `prepareForward`
// only.
class ForwardHandle : public Napi::ObjectWrap<ForwardHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object create(Napi::Env env, std::shared_ptr<const AnyForwardPass> pass);
  explicit ForwardHandle(const Napi::CallbackInfo& info);
  ~ForwardHandle() override;
  // Checks that the value is one and has not been disposed of.
  static std::shared_ptr<const AnyForwardPass> unwrap(const Napi::Value& value);

 private:
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  void release(Napi::Env env);

  std::shared_ptr<const AnyForwardPass> pass_;
  std::int64_t bytes_ = 0;
};

// A contraction plan read and checked once, for any number of runs: `new Plan(plan: ContractionPlan)`.
class PlanHandle : public Napi::ObjectWrap<PlanHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit PlanHandle(const Napi::CallbackInfo& info);
  // Checks that the value is one.
  static std::shared_ptr<const ContractionPlan> unwrap(const Napi::Value& value);

 private:
  std::shared_ptr<const ContractionPlan> plan_;
};

}  // namespace tensim::addon
