#include "../calls.h"
#include "../environment.h"
#include "../forward_arguments.h"
#include "../handles.h"
#include "../normals_arguments.h"
#include "../result_array.h"
#include "forward.h"
#include "library.h"
#include "models.h"

namespace tensim::addon {
namespace {

// A forward pass as JavaScript holds it: empty when it has been disposed of.
using PassExternal = Napi::External<CudaForwardPointer>;
constexpr napi_type_tag kCudaForwardTag{0x9c27d1e4b85f4a03u, 0xa61f7d093c5b2e84u};

CudaForwardPointer& pointer_of(const Napi::Value& value) {
  if (!value.IsExternal() || !value.As<PassExternal>().CheckTypeTag(&kCudaForwardTag)) {
    fail(value.Env(), "INVALID_ARGUMENT", "this is no forward pass prepared by this backend");
  }
  return *value.As<PassExternal>().Data();
}

CudaForwardPointer pass_of(const Napi::Value& value) {
  CudaForwardPointer pass = pointer_of(value);
  if (pass == nullptr) fail(value.Env(), "INVALID_ARGUMENT", "the forward pass has been disposed of");
  return pass;
}

class PrepareCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  std::string library;
  int device = 0;
  CudaType type = DType::kFloat64;
  ForwardArguments source;

  void execute(const Context&) override {
    pass_ = prepare_cuda_forward(CudaLibrary::open(library).api(), device, type, source.layers, source.positions,
                                 source.features, source.tokens);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object object = Napi::Object::New(env);
    object.Set("bytes", static_cast<double>(pass_->bytes()));
    auto owned = std::make_unique<CudaForwardPointer>(std::move(pass_));
    auto external = PassExternal::New(env, owned.get(), [](Napi::Env, CudaForwardPointer* held) { delete held; });
    owned.release();  // the finalizer's from here on
    external.TypeTag(&kCudaForwardTag);
    object.Set("pass", external);
    return object;
  }

 private:
  CudaForwardPointer pass_;
};

// What evaluating and keeping have in common.
class PassCall : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  void read_pass(const Napi::Value& pass, const Napi::Value& inputs) {
    pass_ = pass_of(pass);
    inputs_ = read_inputs(inputs, pass_->tokens, pass_->input_size(), pass_->features, *this);
  }

 protected:
  CudaInputs inputs() const {
    return {inputs_.vectors, pass_->tokens ? inputs_.tokens.data() : nullptr, inputs_.batch};
  }
  std::size_t outputs(Napi::Env env) const {
    return output_count(env, inputs_.batch, pass_->positions * pass_->outputs, sizeof(double));
  }

  CudaForwardPointer pass_;
  InputArguments inputs_;
};

class EvaluateCall final : public PassCall {
 public:
  using PassCall::PassCall;

  void read(const Napi::Value& pass, const Napi::Value& inputs) {
    read_pass(pass, inputs);
    results_ = output_.allocate(pass.Env(), pass_->dtype, outputs(pass.Env()));
  }

  void execute(const Context& context) override { pass_->evaluate(context, inputs(), results_); }
  Napi::Value result(Napi::Env) override { return output_.value(); }
  void forget_references() override { output_.forget(); }

 private:
  ResultArray output_;
  void* results_ = nullptr;
};

class KeepCall final : public PassCall {
 public:
  using PassCall::PassCall;

  void read(const Napi::Value& pass, const Napi::Value& inputs, const Napi::Value& roots, const Napi::Value& apart) {
    read_pass(pass, inputs);
    outputs(pass.Env());
    per_output_ = apart.ToBoolean();
    if (!present(roots)) return;
    const MatrixView column = read_column(roots, "roots", *this);
    expect(roots.Env(), column.rows, inputs_.batch, "the number of roots");
    roots_ = vector_of(column, column.rows);
  }

  void execute(const Context& context) override { kept_ = pass_->keep(context, inputs(), roots_, per_output_); }
  Napi::Value result(Napi::Env env) override { return to_object(env, std::move(kept_)); }

 private:
  std::vector<double> roots_;
  bool per_output_ = false;
  CudaModelPointer kept_;
};

class CombineCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  std::string library;

  void read(const Napi::Value& outputs, const Napi::Value& x, const Napi::Value& y) {
    models_ = read_models(outputs, "outputs");
    if (models_.size() != 2) fail(outputs.Env(), "INVALID_ARGUMENT", "two are combined");
    x_ = read_number(x, "x");
    y_ = read_number(y, "y");
  }

  void execute(const Context&) override {
    const auto models = cuda_models<CudaModel>(models_);
    kept_ = combine_kept(CudaLibrary::open(library).api(), *models[0], x_, *models[1], y_);
  }
  Napi::Value result(Napi::Env env) override { return to_object(env, std::move(kept_)); }

 private:
  std::vector<AnyCudaModel> models_;
  double x_ = 0, y_ = 0;
  CudaModelPointer kept_;
};

class SampleProductsCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  std::string library;

  void read(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    models_ = read_models(info[1], "outputs");
    if (!info[2].IsTypedArray() || info[2].As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array)
      fail(env, "INVALID_ARGUMENT", "pairs must be an Uint32Array");
    const auto pairs = info[2].As<Napi::Uint32Array>();
    pairs_.assign(pairs.Data(), pairs.Data() + pairs.ElementLength());
    if (pairs_.size() % 2 != 0) fail(env, "SHAPE_MISMATCH", "a pair has two places");
    const Napi::Object size = read_object(info[3], "size");
    batch_ = read_size(size.Get("count"), "count");
    positions_ = read_count(size.Get("positions"), "positions");
    width_ = read_count(size.Get("outputs"), "outputs");
    per_output_ = info[4].ToBoolean();
    const std::size_t sums = output_count(env, batch_, pairs_.size() / 2 * (per_output_ ? width_ : 1), sizeof(double));
    sums_ = static_cast<double*>(output_.allocate(env, DType::kFloat64, sums));
  }

  void execute(const Context& context) override {
    cuda_sample_products(context, CudaLibrary::open(library).api(), cuda_models<CudaModel>(models_), pairs_, batch_,
                         positions_, width_, per_output_, sums_);
  }
  Napi::Value result(Napi::Env) override { return output_.value(); }
  void forget_references() override { output_.forget(); }

 private:
  std::vector<AnyCudaModel> models_;
  std::vector<std::uint32_t> pairs_;
  std::size_t batch_ = 0, positions_ = 1, width_ = 1;
  bool per_output_ = false;
  ResultArray output_;
  double* sums_ = nullptr;
};

class NormalsCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  std::string library;
  int device = 0;

  void read(const Napi::CallbackInfo& info) {
    samples_ = read_normals(info, 2);
    numbers_ = static_cast<double*>(output_.allocate(info.Env(), DType::kFloat64, samples_.numbers()));
  }

  void execute(const Context& context) override {
    cuda_normals(context, CudaLibrary::open(library).api(), device, samples_.stream, samples_.first, samples_.count,
                 numbers_);
  }
  Napi::Value result(Napi::Env) override { return output_.value(); }
  void forget_references() override { output_.forget(); }

 private:
  NormalsArguments samples_;
  ResultArray output_;
  double* numbers_ = nullptr;
};

}  // namespace

Napi::Value cuda_prepare_forward_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<PrepareCall>(ControlHandle::unwrap(info[5]), read_threads(info[4]));
  call->library = read_string(info[0], "library");
  call->device = static_cast<int>(read_size(info[1], "device"));
  call->type = read_cuda_type(info[3]);
  call->source = read_forward(info[2], *call);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

Napi::Value cuda_dispose_forward(const Napi::CallbackInfo& info) {
  pointer_of(info[0]).reset();
  return info.Env().Undefined();
}

Napi::Value cuda_evaluate_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<EvaluateCall>(ControlHandle::unwrap(info[3]), read_threads(info[2]));
  call->read(info[0], info[1]);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

Napi::Value cuda_keep_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<KeepCall>(ControlHandle::unwrap(info[5]), read_threads(info[4]));
  call->read(info[0], info[1], info[2], info[3]);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

Napi::Value cuda_combine_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<CombineCall>(ControlHandle::unwrap(info[5]), read_threads(info[4]));
  call->library = read_string(info[0], "library");
  call->read(info[1], info[2], info[3]);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

Napi::Value cuda_sample_products_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<SampleProductsCall>(ControlHandle::unwrap(info[6]), read_threads(info[5]));
  call->library = read_string(info[0], "library");
  call->read(info);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

Napi::Value cuda_normals_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<NormalsCall>(ControlHandle::unwrap(info[8]), read_threads(info[7]));
  call->library = read_string(info[0], "library");
  call->device = static_cast<int>(read_size(info[1], "device"));
  call->read(info);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

}  // namespace tensim::addon
