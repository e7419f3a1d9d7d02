#pragma once

#include <napi.h>

#include <cstddef>
#include <string>
#include <vector>

#include "../layers/chain.h"
#include "../similarity/prepared.h"
#include "async_call.h"

namespace tensim::addon {

// Arguments from JavaScript are never trusted: each is checked for its kind, shape and length before any pointer is
// taken. What does not fit is a JavaScript Error with a `code`. The views returned point into memory that the call
// keeps until it has settled, whatever JavaScript does to its arrays meanwhile (stores.h).

[[noreturn]] void fail(Napi::Env env, const char* code, const std::string& message);

// f(), with everything that native code throws in it thrown on as a JavaScript Error with a code.
template <class F>
auto translated(Napi::Env env, const F& f) -> decltype(f()) {
  try {
    return f();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    const Failure failure = current_failure();
    fail(env, failure.code, failure.message);
  }
}

// A Float64Array or Float32Array as a column; byteOffset is honoured. Detached and shared buffers are refused.
MatrixView read_column(const Napi::Value& value, const std::string& what, AsyncCall& call);

// A tensor { data, shape } of two axes, contiguous and row-major.
MatrixView read_matrix(const Napi::Value& value, const std::string& what, AsyncCall& call);

// `one-block`, `two-block`, `closure` or `tensor`.
Method read_method(const Napi::Value& value);
Route read_route(const Napi::Value& value);

// A ChainSource or FeatureSource (lib/backend/backend.ts).
struct SourceArguments {
  DType dtype = DType::kFloat64;
  bool features = false;  // then only the segments count
  Method method = Method::kOneBlock;
  Route route = Route::kFactor;
  bool once = false;
  ChainView chain;
  std::vector<MatrixView> segments;
};
SourceArguments read_source(const Napi::Value& value, DType dtype, AsyncCall& call);

GramJob read_job(const Napi::Value& value);

double read_number(const Napi::Value& value, const std::string& what);

// A bias or mean of `size` elements, or an absent view.
MatrixView read_optional_column(const Napi::Value& value, std::size_t size, const std::string& what, AsyncCall& call);

// Neither undefined nor null.
bool present(const Napi::Value& value);

// Fails with SHAPE_MISMATCH unless the two are equal.
void expect(Napi::Env env, std::size_t found, std::size_t wanted, const std::string& what);

WhitenedLaw read_law(const Napi::Value& value, std::size_t inputs, AsyncCall& call);

// A non-negative integer that fits a size.
std::size_t read_size(const Napi::Value& value, const std::string& what);

// The same from 1 on.
std::size_t read_count(const Napi::Value& value, const std::string& what);

std::string read_string(const Napi::Value& value, const std::string& what);

Napi::Object read_object(const Napi::Value& value, const std::string& what);

// `'float64'` or `'float32'`.
DType read_dtype(const Napi::Value& value);

}  // namespace tensim::addon
