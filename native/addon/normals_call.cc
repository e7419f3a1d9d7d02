#include <limits>

#include "calls.h"
#include "environment.h"
#include "handles.h"
#include "normals_arguments.h"
#include "result_array.h"

namespace tensim::addon {
namespace {

class NormalsCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  void read(const Napi::CallbackInfo& info) {
    samples_ = read_normals(info, 0);
    numbers_ = static_cast<double*>(output_.allocate(info.Env(), DType::kFloat64, samples_.numbers()));
  }

  void execute(const Context& context) override {
    normals(context, samples_.stream, samples_.first, samples_.count, numbers_);
  }

  Napi::Value result(Napi::Env) override { return output_.value(); }

  void forget_references() override { output_.forget(); }

 private:
  NormalsArguments samples_;
  ResultArray output_;
  double* numbers_ = nullptr;
};

}  // namespace

NormalsArguments read_normals(const Napi::CallbackInfo& info, std::size_t at) {
  const Napi::Env env = info.Env();
  NormalsArguments read;
  read.stream.key0 = info[at].ToNumber().Uint32Value();
  read.stream.key1 = info[at + 1].ToNumber().Uint32Value();
  read.stream.dimension = read_size(info[at + 2], "dimension");
  const std::size_t first = read_size(info[at + 3], "first");
  read.count = read_size(info[at + 4], "count");
  constexpr std::size_t kSamples = std::size_t{1} << 32, kMost = std::numeric_limits<std::size_t>::max() / 8;
  if (first > kSamples || read.count > kSamples - first) fail(env, "INVALID_ARGUMENT", "a stream has 2^32 samples");
  if (read.stream.dimension > std::numeric_limits<std::uint32_t>::max() ||
      (read.stream.dimension != 0 && read.count > kMost / read.stream.dimension)) {
    fail(env, "MEMORY_LIMIT", "the numbers are too many");
  }
  read.first = static_cast<std::uint32_t>(first);
  return read;
}

Napi::Value normals_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<NormalsCall>(ControlHandle::unwrap(info[6]), read_threads(info[5]));
  call->read(info);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

}  // namespace tensim::addon
