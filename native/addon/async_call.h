#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../core/context.h"

namespace tensim::addon {

// One asynchronous call. `execute` runs on a thread of the pool and must not touch JavaScript; everything else runs on
// the JavaScript thread.
class AsyncCall {
 public:
  AsyncCall(std::shared_ptr<Control> control, unsigned threads) : control(std::move(control)), threads(threads) {}
  virtual ~AsyncCall() = default;

  virtual void execute(const Context& context) = 0;
  virtual Napi::Value result(Napi::Env env) = 0;

  // Keeps an object, and with it the memory that `execute` reads, alive until the call has settled.
  void keep(const Napi::Object& object) { kept_.push_back(Napi::Persistent(object)); }

  // At environment teardown the references die with the environment; deleting them one by one is no longer allowed.
  virtual void forget_references() {
    for (Napi::ObjectReference& reference : kept_) reference.SuppressDestruct();
  }

  const std::shared_ptr<Control> control;
  const unsigned threads;
  std::optional<Napi::Promise::Deferred> deferred;  // made when the call starts: bad arguments leave no promise behind

  // The outcome, written by the pool thread before the call is queued for the JavaScript thread. Empty code: success.
  std::string error_code, error_message;

 private:
  std::vector<Napi::ObjectReference> kept_;
};

}  // namespace tensim::addon
