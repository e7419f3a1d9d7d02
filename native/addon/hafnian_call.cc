#include "../gaussian/hafnian.h"

#include "arguments.h"
#include "calls.h"
#include "environment.h"
#include "handles.h"

namespace tensim::addon {
namespace {

class LoopHafnianCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  void read(const Napi::Value& value) {
    const Napi::Env env = value.Env();
    const Napi::Object legs = read_object(value, "legs");
    const Napi::Value repeats = legs.Get("repeats");
    if (!repeats.IsTypedArray() || repeats.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
      fail(env, "INVALID_ARGUMENT", "repeats must be a Uint32Array");
    }
    const auto counts = repeats.As<Napi::Uint32Array>();
    // Far beyond what can be computed, and the number of edges below cannot overflow.
    constexpr std::size_t kMostPairs = 1024;
    if (counts.ElementLength() > kMostPairs) fail(env, "INVALID_ARGUMENT", "there are too many pairs");
    for (std::size_t p = 0; p < counts.ElementLength(); ++p) {
      const std::uint32_t count = counts[p];
      if (count == 0 || (p > 0 && count < legs_.repeats.back())) {
        fail(env, "INVALID_ARGUMENT", "repeats must be positive and ascending");
      }
      legs_.repeats.push_back(count);
    }
    const std::size_t size = 2 * legs_.repeats.size();
    legs_.edges = read_doubles(legs.Get("edges"), size * size, "edges");
    const Napi::Value loops = legs.Get("loops");
    if (!loops.IsNull() && !loops.IsUndefined()) legs_.loops = read_doubles(loops, size, "loops");
  }

  void execute(const Context& context) override { value_ = loop_hafnian(context, legs_); }

  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, value_); }

 private:
  const double* read_doubles(const Napi::Value& value, std::size_t length, const std::string& what) {
    const MatrixView view = read_column(value, what, *this);
    if (view.dtype != DType::kFloat64) fail(value.Env(), "INVALID_ARGUMENT", what + " must be a Float64Array");
    if (view.rows != length) fail(value.Env(), "SHAPE_MISMATCH", what + " do not fit the number of pairs");
    return static_cast<const double*>(view.data);
  }

  PairedLegs legs_;
  double value_ = 0;
};

}  // namespace

Napi::Value loop_hafnian_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<LoopHafnianCall>(ControlHandle::unwrap(info[2]), read_threads(info[1]));
  call->read(info[0]);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

}  // namespace tensim::addon
