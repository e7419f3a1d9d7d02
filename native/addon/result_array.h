#pragma once

#include <napi.h>

#include "environment.h"

namespace tensim::addon {

// The result of a call, which threads write straight into. JavaScript owns it from the start, since some embedders
// refuse memory from outside, but sees it only when the call has settled: until then nobody can transfer it.
class ResultArray {
 public:
  // Zeros. Throws a JavaScript Error MEMORY_LIMIT.
  void* allocate(Napi::Env env, DType dtype, std::size_t elements) {
    const NewArray made = Environment::of(env).stores().make(env, dtype, elements);
    reference_ = Napi::Persistent(static_cast<Napi::Object>(made.array));
    return made.data;
  }

  Napi::Value value() const { return reference_.Value(); }

  // See AsyncCall::forget_references.
  void forget() { reference_.SuppressDestruct(); }

 private:
  Napi::ObjectReference reference_;
};

}  // namespace tensim::addon
