#pragma once

#include <napi.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "../core/context.h"
#include "stores.h"

namespace tensim::addon {

class AsyncCall;

// What one JavaScript environment (the main thread, or a worker) holds of the addon. All environments of a process
// share the thread pool; the last one to go takes it along, because the library may be unloaded after that.
//
// Life of a call:
//
//   JavaScript thread:  start() ─────────────────────────────────────────────► settle(): the promise; deletes the call
//   pool thread:           └──► execute() ──► queued for the JavaScript thread ──┘
//
// When the environment goes down (exit, process.exit(), worker.terminate()), the clean-up hook aborts every call and
// waits until no pool thread works for this environment any more; only then does Node free the memory that calls read.
class Environment {
 public:
  explicit Environment(Napi::Env env);
  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  // Takes ownership of the call; the promise settles when it is done. JavaScript thread only.
  Napi::Promise start(Napi::Env env, std::unique_ptr<AsyncCall> call);

  const KernelSet& kernels() const { return kernels_; }
  const Stores& stores() const { return stores_; }

  // Tells V8 of memory that prepared models and passes take, or give back.
  void adjust_memory(Napi::Env env, std::int64_t bytes);

  Napi::FunctionReference prepared_constructor, forward_constructor;

 private:
  static void settle(Napi::Env env, Napi::Function, Environment* environment, AsyncCall* call);
  using Queue = Napi::TypedThreadSafeFunction<Environment, AsyncCall, settle>;

  // Shared with the closures on the pool, which may still be leaving it when this environment is already gone.
  struct Running {
    std::mutex mutex;
    std::condition_variable none;
    std::size_t count = 0;
  };

  void shut_down();

  const KernelSet& kernels_;
  const Stores stores_;
  std::shared_ptr<ThreadPool> pool_;
  Queue queue_;  // back to the JavaScript thread; keeps the event loop alive only while calls are pending
  std::unordered_set<AsyncCall*> pending_;
  std::int64_t memory_ = 0;  // of which V8 knows what lies above kUntold
  std::shared_ptr<Running> running_ = std::make_shared<Running>();
};

}  // namespace tensim::addon
