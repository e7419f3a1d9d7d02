#include "../similarity/low_rank.h"

#include <limits>

#include "arguments.h"
#include "calls.h"
#include "environment.h"
#include "handles.h"
#include "result_array.h"

namespace tensim::addon {
namespace {

NumberFormat read_format(const Napi::Value& value) {
  const std::string name = read_string(value, "format");
  if (name == "F64") return NumberFormat::kFloat64;
  if (name == "F32") return NumberFormat::kFloat32;
  if (name == "F16") return NumberFormat::kFloat16;
  if (name == "BF16") return NumberFormat::kBFloat16;
  fail(value.Env(), "INVALID_ARGUMENT", "format must be F64, F32, F16 or BF16, not " + name);
}

class LowRankCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  void read(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    dtype_ = read_dtype(info[2]);
    rows_ = read_matrices(info[0], "rows");
    symmetric_ = !present(info[1]);
    columns_ = symmetric_ ? rows_ : read_matrices(info[1], "columns");
    if (rows_.a.depth != columns_.a.depth || rows_.b.depth != columns_.b.depth) {
      fail(env, "SHAPE_MISMATCH", "matrices of rows and columns differ in their inputs or outputs");
    }
    if (columns_.count > std::numeric_limits<std::size_t>::max() / sizeof(double) / rows_.count) {
      fail(env, "MEMORY_LIMIT", "the products are too many");
    }
    products_ = static_cast<double*>(output_.allocate(env, DType::kFloat64, rows_.count * columns_.count));
  }

  void execute(const Context& context) override {
    if (dtype_ == DType::kFloat64) {
      low_rank_products<double>(context, rows_, columns_, symmetric_, products_);
    } else {
      low_rank_products<float>(context, rows_, columns_, symmetric_, products_);
    }
  }

  Napi::Value result(Napi::Env) override { return output_.value(); }

  void forget_references() override { output_.forget(); }

 private:
  LowRankMatrices read_matrices(const Napi::Value& value, const std::string& what) {
    const Napi::Object object = read_object(value, what);
    LowRankMatrices matrices{};
    matrices.count = read_count(object.Get("count"), "count");
    matrices.rank = read_count(object.Get("rank"), "rank");
    if (matrices.count > kMost / matrices.rank) fail(value.Env(), "SHAPE_MISMATCH", what + " have too many rows");
    const std::size_t rows = matrices.count * matrices.rank;
    const MatrixView weights = read_column(object.Get("weights"), "weights", *this);
    if (weights.dtype != DType::kFloat64) fail(value.Env(), "INVALID_ARGUMENT", "weights must be a Float64Array");
    expect(value.Env(), weights.rows, rows, "weights");
    matrices.weights = static_cast<const double*>(weights.data);
    matrices.a = read_factors(object.Get("a"), rows, "a");
    matrices.b = read_factors(object.Get("b"), rows, "b");
    return matrices;
  }

  StoredFactors read_factors(const Napi::Value& value, std::size_t rows, const std::string& what) {
    const Napi::Env env = value.Env();
    const Napi::Object object = read_object(value, what);
    StoredFactors factors{};
    factors.format = read_format(object.Get("format"));
    factors.depth = read_count(object.Get("depth"), "depth");
    factors.rank_last = object.Get("rankLast").ToBoolean();
    const Napi::Value bytes = object.Get("bytes");
    if (!bytes.IsTypedArray()) fail(env, "INVALID_ARGUMENT", what + " must have bytes");
    ArrayView view = Environment::of(env).stores().hold_bytes(bytes.As<Napi::TypedArray>(), what);
    const std::size_t width = bytes_of(factors.format);
    if (factors.depth > kMost / rows || view.length % width != 0 || view.length / width != rows * factors.depth) {
      fail(env, "SHAPE_MISMATCH", what + " does not hold as many numbers as its sizes say");
    }
    if (reinterpret_cast<std::uintptr_t>(view.data) % width != 0) {
      fail(env, "INVALID_ARGUMENT", what + " does not begin at a number");
    }
    factors.data = view.data;
    keep(std::move(view.owner));
    return factors;
  }

  static constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max() / 16;

  DType dtype_ = DType::kFloat64;
  LowRankMatrices rows_{}, columns_{};
  bool symmetric_ = false;
  ResultArray output_;
  double* products_ = nullptr;
};

}  // namespace

Napi::Value low_rank_products_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<LowRankCall>(ControlHandle::unwrap(info[4]), read_threads(info[3]));
  call->read(info);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

}  // namespace tensim::addon
