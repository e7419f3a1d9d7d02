#include "../gaussian/normals.h"

#include <limits>

#include "arguments.h"
#include "calls.h"
#include "environment.h"
#include "handles.h"
#include "result_array.h"

namespace tensim::addon {
namespace {

class NormalsCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  void read(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    stream_.key0 = info[0].ToNumber().Uint32Value();
    stream_.key1 = info[1].ToNumber().Uint32Value();
    stream_.dimension = read_size(info[2], "dimension");
    const std::size_t first = read_size(info[3], "first");
    count_ = read_size(info[4], "count");
    constexpr std::size_t kSamples = std::size_t{1} << 32, kMost = std::numeric_limits<std::size_t>::max() / 8;
    if (first > kSamples || count_ > kSamples - first) fail(env, "INVALID_ARGUMENT", "a stream has 2^32 samples");
    if (stream_.dimension > std::numeric_limits<std::uint32_t>::max() ||
        (stream_.dimension != 0 && count_ > kMost / stream_.dimension)) {
      fail(env, "MEMORY_LIMIT", "the numbers are too many");
    }
    first_ = static_cast<std::uint32_t>(first);
    numbers_ = static_cast<double*>(output_.allocate(env, DType::kFloat64, count_ * stream_.dimension));
  }

  void execute(const Context& context) override { normals(context, stream_, first_, count_, numbers_); }

  Napi::Value result(Napi::Env) override { return output_.value(); }

  void forget_references() override { output_.forget(); }

 private:
  NormalStream stream_;
  std::uint32_t first_ = 0;
  std::size_t count_ = 0;
  ResultArray output_;
  double* numbers_ = nullptr;
};

}  // namespace

Napi::Value normals_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<NormalsCall>(ControlHandle::unwrap(info[6]), read_threads(info[5]));
  call->read(info);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

}  // namespace tensim::addon
