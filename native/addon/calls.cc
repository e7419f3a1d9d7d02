#include "calls.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "../similarity/levels.h"
#include "../similarity/prepared.h"
#include "arguments.h"
#include "environment.h"
#include "handles.h"

namespace tensim::addon {
namespace {

class PrepareCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  std::vector<SourceArguments> sources;
  std::optional<double> window;  // then only what is calm is prepared

  // Several models are shared out among the threads, each on one; a single one has them all.
  void execute(const Context& context) override {
    models_.resize(sources.size());
    levels_.resize(sources.size());
    const Context alone{context.kernels, context.pool, 1, context.control};
    context.parallel_for(sources.size(), [&](std::size_t i) {
      if (window) {
        levels_[i] = calm_levels(context.kernels, sources[i].chain, *window);
        if (!levels_[i]) return;
      }
      models_[i] = std::make_shared<const AnyPrepared>(build(sources.size() == 1 ? context : alone, sources[i]));
    });
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Array array = Napi::Array::New(env, models_.size());
    for (std::uint32_t i = 0; i < models_.size(); ++i) {
      Napi::HandleScope scope(env);
      array.Set(i, models_[i] ? PreparedHandle::create(env, std::move(models_[i])).As<Napi::Value>() : env.Null());
    }
    if (!window) return array;
    std::vector<double> levels;
    for (const std::optional<ChainLevels>& one : levels_) {
      if (!one) continue;
      levels.push_back(one->whole);
      levels.insert(levels.end(), one->slices.begin(), one->slices.end());
    }
    Napi::Object calm = Napi::Object::New(env);
    calm.Set("models", array);
    calm.Set("levels", to_array(env, levels));
    return calm;
  }

 private:
  static AnyPrepared build(const Context& context, const SourceArguments& source) {
    const auto& [dtype, features, method, route, once, chain, segments] = source;
    if (!features) return prepare_chain(context, method, route, dtype, chain, once);
    if (dtype == DType::kFloat64) return prepare_features<double>(segments);
    return prepare_features<float>(segments);
  }

  std::vector<std::shared_ptr<const AnyPrepared>> models_;
  std::vector<std::optional<ChainLevels>> levels_;
};

void read_sources(const Napi::Value& value, DType dtype, PrepareCall& call) {
  if (!value.IsArray()) fail(value.Env(), "INVALID_ARGUMENT", "sources must be an array");
  const auto sources = value.As<Napi::Array>();
  const std::uint32_t length = sources.Length();
  for (std::uint32_t i = 0; i < length; ++i) {
    Napi::HandleScope scope(value.Env());
    call.sources.push_back(read_source(sources.Get(i), dtype, call));
  }
}

class GramTileCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  void read(const Napi::Value& job, const Napi::Value& rows, const Napi::Value& columns) {
    job_ = read_job(job);
    read_models(rows, rows_);
    if (rows.StrictEquals(columns)) {
      columns_ = rows_;
    } else {
      read_models(columns, columns_);
    }
    if (job_.symmetric && rows_ != columns_) {
      fail(job.Env(), "INVALID_ARGUMENT", "a symmetric tile needs the same models as rows and as columns");
    }
  }

  void execute(const Context& context) override {
    tile_ = gram_tile(context, job_, pointers(rows_), pointers(columns_));
  }

  Napi::Value result(Napi::Env env) override { return to_object(env, tile_, job_.per_output); }

 private:
  using Models = std::vector<std::shared_ptr<const AnyPrepared>>;

  static void read_models(const Napi::Value& value, Models& models) {
    if (!value.IsArray()) fail(value.Env(), "INVALID_ARGUMENT", "rows and columns must be arrays of prepared models");
    const auto array = value.As<Napi::Array>();
    const std::uint32_t length = array.Length();
    models.reserve(length);
    for (std::uint32_t i = 0; i < length; ++i) {
      Napi::HandleScope scope(value.Env());
      models.push_back(PreparedHandle::unwrap(array.Get(i)));
    }
  }

  static std::vector<const AnyPrepared*> pointers(const Models& models) {
    std::vector<const AnyPrepared*> result;
    for (const auto& model : models) result.push_back(model.get());
    return result;
  }

  GramJob job_;
  Models rows_, columns_;
  GramTile tile_;
};

class PeakCall final : public AsyncCall {
 public:
  using AsyncCall::AsyncCall;

  DType dtype = DType::kFloat64;
  double seconds = 0;

  void execute(const Context& context) override {
    using Clock = std::chrono::steady_clock;
    const bool float64 = dtype == DType::kFloat64;
    const auto run = float64 ? context.kernels.peak_f64 : context.kernels.peak_f32;
    const std::size_t per_step =
        float64 ? peak_flops_per_step(context.kernels.f64) : peak_flops_per_step(context.kernels.f32);
    constexpr std::size_t kSteps = 1 << 16;
    const Clock::time_point begin = Clock::now();
    double elapsed = 0;
    volatile double sink = 0;
    // The best of many short runs: this is a ceiling, and a busy neighbour only lowers it.
    while (elapsed < seconds) {
      context.control.throw_if_aborted();
      const Clock::time_point start = Clock::now();
      sink = sink + run(kSteps);
      const double time = std::chrono::duration<double>(Clock::now() - start).count();
      rate_ = std::max(rate_, static_cast<double>(per_step * kSteps) / time);
      elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
    }
  }

  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, rate_); }

 private:
  double rate_ = 0;
};

}  // namespace

Napi::Value to_array(Napi::Env env, const std::vector<double>& values) {
  const NewArray made = Environment::of(env).stores().make(env, DType::kFloat64, values.size());
  std::copy(values.begin(), values.end(), static_cast<double*>(made.data));
  return made.array;
}

Napi::Object to_object(Napi::Env env, const GramTile& tile, bool per_output) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("total", to_array(env, tile.total));
  if (per_output) object.Set("perOutput", to_array(env, tile.per_output));
  if (!tile.per_degree.empty()) object.Set("perDegree", to_array(env, tile.per_degree));
  if (!tile.bound.empty()) object.Set("bound", to_array(env, tile.bound));
  return object;
}

unsigned read_threads(const Napi::Value& value) {
  return static_cast<unsigned>(std::clamp<std::size_t>(read_size(value, "threads"), 1, 256));
}

Napi::Value prepare_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<PrepareCall>(ControlHandle::unwrap(info[3]), read_threads(info[2]));
  read_sources(info[0], read_dtype(info[1]), *call);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

Napi::Value prepare_calm_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<PrepareCall>(ControlHandle::unwrap(info[4]), read_threads(info[3]));
  call->window = read_number(info[1], "window");
  read_sources(info[0], read_dtype(info[2]), *call);
  for (const SourceArguments& source : call->sources) {
    if (source.features || source.method != Method::kOneBlock)
      fail(info.Env(), "INVALID_ARGUMENT", "only chains of the method one-block are known to be calm");
  }
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

Napi::Value gram_tile_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<GramTileCall>(ControlHandle::unwrap(info[4]), read_threads(info[3]));
  call->read(info[0], info[1], info[2]);
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

Napi::Value peak_call(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<PeakCall>(ControlHandle::unwrap(info[3]), read_threads(info[2]));
  call->dtype = read_dtype(info[0]);
  call->seconds = info[1].ToNumber();
  return Environment::of(info.Env()).start(info.Env(), std::move(call));
}

}  // namespace tensim::addon
