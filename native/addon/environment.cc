#include "environment.h"

#include <algorithm>

#include "arguments.h"
#include "async_call.h"

namespace tensim::addon {
namespace {

std::shared_ptr<ThreadPool> shared_pool() {
  static std::mutex mutex;
  static std::weak_ptr<ThreadPool> current;
  std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<ThreadPool> pool = current.lock();
  if (!pool) {
    pool = std::make_shared<ThreadPool>();
    current = pool;
  }
  return pool;
}

// Bytes that V8 is not told of: it collects garbage for what it hears of, and whoever computes gives models back by
// hand. A matrix of 400 models of (64, 32, 10), which take 28 MB, spent 40 ms of 530 on that.
constexpr std::int64_t kUntold = std::int64_t{256} << 20;

// No exception leaves a pool thread: each becomes the call's outcome.
void execute(AsyncCall& call, const KernelSet& kernels, ThreadPool& pool) noexcept {
  try {
    call.control->throw_if_aborted();
    call.execute(Context{kernels, pool, call.threads, *call.control});
  } catch (...) {
    call.failure = current_failure();
  }
}

}  // namespace

Environment::Environment(Napi::Env env)
    : kernels_(kernels_for(chosen_instruction_set())), stores_(env), pool_(shared_pool()) {
  queue_ = Queue::New(env, "tensim", 0, 1, this);
  queue_.Unref(env);
  // Hooks run in reverse order: this one before the queue's own, so that calls can still be queued while it waits.
  env.AddCleanupHook([this] { shut_down(); });
}

Napi::Promise Environment::start(Napi::Env env, std::unique_ptr<AsyncCall> owned) {
  AsyncCall* const call = owned.get();
  call->deferred = Napi::Promise::Deferred::New(env);
  const Napi::Promise promise = call->deferred->Promise();
  pending_.insert(call);
  {
    std::lock_guard<std::mutex> lock(running_->mutex);
    ++running_->count;
  }
  try {
    pool_->submit([call, &kernels = kernels_, pool = pool_.get(), queue = queue_, running = running_] {
      execute(*call, kernels, *pool);
      queue.NonBlockingCall(call);  // fails only while the environment goes down, and then nobody waits for the outcome
      std::lock_guard<std::mutex> lock(running->mutex);
      if (--running->count == 0) running->none.notify_all();
    });
  } catch (...) {  // there is no thread, or no memory: nothing has been begun
    pending_.erase(call);
    std::lock_guard<std::mutex> lock(running_->mutex);
    --running_->count;
    throw;
  }
  owned.release();  // the queue's from here on; settle() deletes it
  if (pending_.size() == 1) queue_.Ref(env);
  return promise;
}

void Environment::adjust_memory(Napi::Env env, std::int64_t bytes) {
  const std::int64_t before = std::max<std::int64_t>(0, memory_ - kUntold);
  memory_ += bytes;
  const std::int64_t after = std::max<std::int64_t>(0, memory_ - kUntold);
  if (after != before) Napi::MemoryManagement::AdjustExternalMemory(env, after - before);
}

void Environment::settle(Napi::Env env, Napi::Function, Environment* environment, AsyncCall* raw) {
  std::unique_ptr<AsyncCall> call(raw);
  if (static_cast<napi_env>(env) == nullptr) {  // the environment is going down
    call->forget_references();
    return;
  }
  environment->pending_.erase(raw);
  if (environment->pending_.empty()) environment->queue_.Unref(env);
  try {
    Napi::HandleScope scope(env);
    translated(env, [&] {
      if (call->failure) fail(env, call->failure->code, call->failure->message);
      call->deferred->Resolve(call->result(env));
    });
  } catch (const Napi::Error& error) {  // besides failures: an allocation failed, or a worker is being terminated
    call->deferred->Reject(error.Value());
  }
}

void Environment::shut_down() {
  for (AsyncCall* call : pending_) call->control->abort();
  std::unique_lock<std::mutex> lock(running_->mutex);
  running_->none.wait(lock, [this] { return running_->count == 0; });
}

}  // namespace tensim::addon
