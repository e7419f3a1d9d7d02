#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <vector>

#include "../core/context.h"
#include "failure.h"

namespace tensim::addon {

// One asynchronous call. `execute` runs on a thread of the pool and must not touch JavaScript; everything else runs on
// the JavaScript thread.
class AsyncCall {
 public:
  AsyncCall(std::shared_ptr<Control> control, unsigned threads) : control(std::move(control)), threads(threads) {}
  virtual ~AsyncCall() = default;

  virtual void execute(const Context& context) = 0;
  virtual Napi::Value result(Napi::Env env) = 0;

  // Keeps memory that `execute` reads until the call has settled.
  void keep(std::shared_ptr<const void> owner) { kept_.push_back(std::move(owner)); }

  // At environment teardown the references die with the environment; deleting them one by one is no longer allowed.
  virtual void forget_references() {}

  const std::shared_ptr<Control> control;
  const unsigned threads;
  std::optional<Napi::Promise::Deferred> deferred;  // made when the call starts: bad arguments leave no promise behind

  // The outcome, written by the pool thread before the call is queued for the JavaScript thread.
  std::optional<Failure> failure;

 private:
  std::vector<std::shared_ptr<const void>> kept_;
};

}  // namespace tensim::addon
