#include <algorithm>

#include "../linalg/symmetric_eigen.h"
#include "arguments.h"
#include "calls.h"
#include "environment.h"
#include "handles.h"

namespace tensim::addon {
namespace {

class SymmetricEigenCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  void read(const Napi::Value& value, const Napi::Value& wanted) {
    const Napi::Env env = value.Env();
    const Napi::Object matrices = read_object(value, "matrices");
    count_ = read_size(matrices.Get("count"), "count");
    size_ = read_size(matrices.Get("size"), "size");
    wanted_ = std::min(read_size(wanted, "wanted"), size_);
    const MatrixView data = read_column(matrices.Get("data"), "data", *this);
    if (data.dtype != DType::kFloat64) fail(env, "INVALID_ARGUMENT", "data must be a Float64Array");
    // Divided, not multiplied: the product of untrusted sizes may overflow.
    const bool fits = count_ == 0 || size_ == 0 ? data.rows == 0
                                                : data.rows % count_ == 0 && data.rows / count_ % size_ == 0 &&
                                                      data.rows / count_ / size_ == size_;
    if (!fits) fail(env, "SHAPE_MISMATCH", "data does not hold count matrices of (size, size)");
    data_ = static_cast<const double*>(data.data);
  }

  void execute(const Context& context) override {
    if (count_ > 0 && size_ > 0) pairs_ = symmetric_eigen(context, data_, count_, size_, wanted_);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object object = Napi::Object::New(env);
    object.Set("values", to_array(env, pairs_.values));
    object.Set("vectors", to_array(env, pairs_.vectors));
    return object;
  }

 private:
  std::size_t count_ = 0, size_ = 0, wanted_ = 0;
  const double* data_ = nullptr;
  EigenPairs pairs_;
};

}  // namespace

Napi::Value symmetric_eigen_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<SymmetricEigenCall>(ControlHandle::unwrap(info[3]), read_threads(info[2]));
  call->read(info[0], info[1]);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

}  // namespace tensim::addon
