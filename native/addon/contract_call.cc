#include "../contraction/execute.h"
#include "../core/huge_pages.h"
#include "arguments.h"
#include "calls.h"
#include "cuda/contraction.h"
#include "cuda/library.h"
#include "environment.h"
#include "handles.h"
#include "result_array.h"

namespace tensim::addon {
namespace {

class ContractCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  std::string library;  // of the CUDA backend, if it is to be run there
  int device = 0;
  bool tf32 = false;

  void read(const Napi::Value& plan, const Napi::Value& operands) {
    const Napi::Env env = plan.Env();
    plan_ = PlanHandle::unwrap(plan);
    if (!operands.IsArray()) fail(env, "INVALID_ARGUMENT", "operands must be an array");
    const auto array = operands.As<Napi::Array>();
    if (array.Length() != plan_->operands.size())
      fail(env, "INVALID_ARGUMENT", "the plan is for another number of operands");
    for (std::uint32_t i = 0; i < plan_->operands.size(); ++i) {
      const MatrixView data = read_column(array.Get(i), "operand " + std::to_string(i), *this);
      if (data.dtype != plan_->dtype) fail(env, "INVALID_ARGUMENT", "operands must be of the plan's dtype");
      if (data.rows < plan_->operands[i].elements) fail(env, "SHAPE_MISMATCH", "an operand is shorter than its layout");
      operands_.push_back(data.data);
    }
    const std::size_t elements = plan_->buffer_elements[plan_->output];
    output_data_ = output_.allocate(env, plan_->dtype, elements);
    const std::size_t bytes = elements * (plan_->dtype == DType::kFloat64 ? sizeof(double) : sizeof(float));
    if (bytes >= kWorthHugePages) advise_huge_pages(output_data_, bytes);
  }

  void execute(const Context& context) override {
    if (plan_->dtype == DType::kFloat64) {
      run<double>(context);
    } else {
      run<float>(context);
    }
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object object = Napi::Object::New(env);
    object.Set("data", output_.value());
    object.Set("exponent", exponent_);
    return object;
  }

  void forget_references() override { output_.forget(); }

 private:
  template <class T>
  void run(const Context& context) {
    std::vector<const T*> operands;
    for (const void* data : operands_) operands.push_back(static_cast<const T*>(data));
    auto* const output = static_cast<T*>(output_data_);
    if (library.empty()) {
      exponent_ = execute_plan<T>(context, *plan_, operands, output);
    } else {
      const TensimCudaApi& api = CudaLibrary::open(library).api();
      exponent_ = execute_plan_on_cuda<T>(context, api, device, tf32, *plan_, operands, output);
    }
  }

  std::shared_ptr<const ContractionPlan> plan_;
  std::vector<const void*> operands_;
  ResultArray output_;
  void* output_data_ = nullptr;
  double exponent_ = 0;
};

}  // namespace

Napi::Value contract_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<ContractCall>(ControlHandle::unwrap(info[3]), read_threads(info[2]));
  call->read(info[0], info[1]);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

Napi::Value cuda_contract_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<ContractCall>(ControlHandle::unwrap(info[6]), read_threads(info[5]));
  call->library = read_string(info[0], "library");
  call->device = static_cast<int>(read_size(info[1], "device"));
  call->tf32 = info[2].ToBoolean();
  call->read(info[3], info[4]);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

}  // namespace tensim::addon
