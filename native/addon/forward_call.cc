#include "../model/forward.h"
#include "calls.h"
#include "environment.h"
#include "forward_arguments.h"
#include "handles.h"
#include "result_array.h"

namespace tensim::addon {
namespace {

class PrepareForwardCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  void read(const Napi::Value& value, DType dtype) {
    dtype_ = dtype;
    source_ = read_forward(value, *this);
  }

  void execute(const Context& context) override {
    const auto& [layers, positions, features, tokens] = source_;
    if (dtype_ == DType::kFloat64) {
      pass_ = std::make_shared<const AnyForwardPass>(ForwardPass<double>(context, layers, positions, features, tokens));
    } else {
      pass_ = std::make_shared<const AnyForwardPass>(ForwardPass<float>(context, layers, positions, features, tokens));
    }
  }

  Napi::Value result(Napi::Env env) override { return ForwardHandle::create(env, std::move(pass_)); }

 private:
  DType dtype_ = DType::kFloat64;
  ForwardArguments source_;
  std::shared_ptr<const AnyForwardPass> pass_;
};

class EvaluateCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  void read(const Napi::Value& handle, const Napi::Value& inputs) {
    pass_ = ForwardHandle::unwrap(handle);
    std::visit([&](const auto& pass) { read(pass, inputs); }, *pass_);
  }

  void execute(const Context& context) override {
    std::visit([&](const auto& pass) { run(context, pass); }, *pass_);
  }

  Napi::Value result(Napi::Env) override { return output_.value(); }

  void forget_references() override { output_.forget(); }

 private:
  template <class T>
  void read(const ForwardPass<T>& pass, const Napi::Value& inputs) {
    const Napi::Env env = inputs.Env();
    inputs_ = read_inputs(inputs, pass.takes_tokens(), pass.input_size(), pass.features(), *this);
    const std::size_t count = output_count(env, inputs_.batch, pass.positions() * pass.outputs(), sizeof(T));
    results_ = output_.allocate(env, DTypeOf<T>::value, count);
  }

  template <class T>
  void run(const Context& context, const ForwardPass<T>& pass) const {
    auto* results = static_cast<T*>(results_);
    if (pass.takes_tokens()) {
      pass.evaluate(context, inputs_.tokens.data(), inputs_.batch, results);
    } else {
      pass.evaluate(context, inputs_.vectors, inputs_.batch, results);
    }
  }

  std::shared_ptr<const AnyForwardPass> pass_;
  InputArguments inputs_;
  ResultArray output_;
  void* results_ = nullptr;
};

}  // namespace

Napi::Value prepare_forward_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<PrepareForwardCall>(ControlHandle::unwrap(info[3]), read_threads(info[2]));
  call->read(info[0], read_dtype(info[1]));
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

Napi::Value evaluate_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<EvaluateCall>(ControlHandle::unwrap(info[3]), read_threads(info[2]));
  call->read(info[0], info[1]);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

}  // namespace tensim::addon
