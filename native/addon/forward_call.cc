#include <algorithm>
#include <limits>

#include "../model/forward.h"
#include "arguments.h"
#include "calls.h"
#include "environment.h"
#include "handles.h"
#include "layers/layer_reader.h"
#include "result_array.h"

namespace tensim::addon {
namespace {

class PrepareForwardCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  void read(const Napi::Value& value, DType dtype) {
    const Napi::Env env = value.Env();
    dtype_ = dtype;
    const Napi::Object source = read_object(value, "source");
    positions_ = read_size(source.Get("positions"), "positions");
    features_ = read_size(source.Get("features"), "features");
    if (positions_ == 0 || features_ == 0) fail(env, "INVALID_ARGUMENT", "a model has positions and features");
    layers_ = read_layers(source.Get("layers"), features_, *this);
    tokens_ = read_string(source.Get("input"), "input") == "tokens";
    if (layers_.empty()) fail(env, "INVALID_ARGUMENT", "a model has layers");
    expect_countable(env, layers_, features_, positions_, false);
    if (positions_ > kMostPositions) fail(env, "MEMORY_LIMIT", "the positions are too many");
    if (tokens_ && !std::holds_alternative<LinearView>(layers_.front()))
      fail(env, "UNSUPPORTED_LAYER", "tokens need a first layer that is linear");
  }

  void execute(const Context& context) override {
    if (dtype_ == DType::kFloat64) {
      pass_ =
          std::make_shared<const AnyForwardPass>(ForwardPass<double>(context, layers_, positions_, features_, tokens_));
    } else {
      pass_ =
          std::make_shared<const AnyForwardPass>(ForwardPass<float>(context, layers_, positions_, features_, tokens_));
    }
  }

  Napi::Value result(Napi::Env env) override { return ForwardHandle::create(env, std::move(pass_)); }

 private:
  static constexpr std::size_t kMostPositions = std::size_t{1} << 31;  // attention scores every pair of them

  DType dtype_ = DType::kFloat64;
  std::size_t positions_ = 1, features_ = 0;
  bool tokens_ = false;
  std::vector<LayerView> layers_;
  std::shared_ptr<const AnyForwardPass> pass_;
};

class EvaluateCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  void read(const Napi::Value& handle, const Napi::Value& inputs) {
    const Napi::Env env = handle.Env();
    pass_ = ForwardHandle::unwrap(handle);
    std::visit(
        [&](const auto& pass) {
          const std::size_t length = pass.takes_tokens() ? read_tokens(inputs, pass.features()) : read_vectors(inputs);
          if (length % pass.input_size() != 0) fail(env, "SHAPE_MISMATCH", "the inputs are no whole number of inputs");
          batch_ = length / pass.input_size();
          allocate(env, pass);
        },
        *pass_);
  }

  void execute(const Context& context) override {
    std::visit([&](const auto& pass) { run(context, pass); }, *pass_);
  }

  Napi::Value result(Napi::Env) override { return output_.value(); }

  void forget_references() override { output_.forget(); }

 private:
  std::size_t read_vectors(const Napi::Value& inputs) {
    vectors_ = read_column(inputs, "inputs", *this);
    return vectors_.rows;
  }

  // Copied, because nothing else keeps JavaScript from changing an id after it was checked.
  std::size_t read_tokens(const Napi::Value& inputs, std::size_t vocabulary) {
    const Napi::Env env = inputs.Env();
    if (!inputs.IsTypedArray() || inputs.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array)
      fail(env, "INVALID_ARGUMENT", "tokens must be an Int32Array");
    const auto array = inputs.As<Napi::Int32Array>();
    if (!array.ArrayBuffer().IsArrayBuffer() || array.ArrayBuffer().IsDetached())
      fail(env, "INVALID_ARGUMENT", "tokens lie in a shared or detached buffer");
    tokens_.assign(array.Data(), array.Data() + array.ElementLength());
    for (const std::int32_t token : tokens_) {
      if (token < 0 || static_cast<std::size_t>(token) >= vocabulary)
        fail(env, "INVALID_ARGUMENT", "token " + std::to_string(token) + " is not in the vocabulary");
    }
    return tokens_.size();
  }

  template <class T>
  void allocate(Napi::Env env, const ForwardPass<T>& pass) {
    const std::size_t per_input = pass.positions() * pass.outputs();
    if (batch_ != 0 && per_input > std::numeric_limits<std::size_t>::max() / sizeof(T) / batch_)
      fail(env, "MEMORY_LIMIT", "the outputs are too many");
    results_ = output_.allocate(env, DTypeOf<T>::value, batch_ * per_input);
  }

  template <class T>
  void run(const Context& context, const ForwardPass<T>& pass) const {
    auto* results = static_cast<T*>(results_);
    if (pass.takes_tokens()) {
      pass.evaluate(context, tokens_.data(), batch_, results);
    } else {
      pass.evaluate(context, vectors_, batch_, results);
    }
  }

  std::shared_ptr<const AnyForwardPass> pass_;
  MatrixView vectors_;
  std::vector<std::int32_t> tokens_;
  std::size_t batch_ = 0;
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
