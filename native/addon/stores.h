#pragma once

#include <napi.h>

#include <cstddef>
#include <memory>
#include <string>

#include "../core/matrix_view.h"

namespace tensim::addon {

// A typed array as it was when a call began.
struct ArrayView {
  DType dtype = DType::kFloat64;
  std::size_t length = 0;  // elements
  const void* data = nullptr;
  std::shared_ptr<const void> owner;  // what keeps `data` where it is; none where there are no elements
};

struct NewArray {
  Napi::TypedArray array;
  void* data = nullptr;
};

// How the memory of JavaScript's arrays outlives what JavaScript does to them.
//
// A reference to a typed array keeps its ArrayBuffer, but not the memory: as soon as the buffer is transferred (by
// structuredClone, postMessage, transfer()) another owner has that, and may drop it while threads read. Node-API offers
// no hold on it; the alternatives, and what they cost:
//
// - a copy: always right, and what contract keeps in memory doubles where the operands are most of it;
// - packing on the JavaScript thread, slice by slice: little memory, but what is read once (sums, products by elements)
//   is then read by one thread alone, and every slice waits for a busy event loop;
// - taking the buffer away from the caller, or forbidding it to be transferred: the caller would see it.
//
// V8 itself counts the owners of such memory, and hands out a share of it by ArrayBuffer::GetBackingStore, under the
// same name and with the same result in every Node since 14. So a share is taken where what it rests on is there: the
// function; plain Node (others bring a standard library of their own, whose shared_ptr is not ours) of a version for
// which tests have shown that a share survives whatever parts an array from its buffer (the V8 of Node 21 to 23 moves
// the memory when a buffer is transferred to another length, whoever else has a share); and a share of a buffer made
// for the purpose points to its memory, and counts its owners as our shared_ptr does. Everywhere else, on Windows, and
// where the environment variable TENSIM_ARRAYS is `copy`, arrays are copied.
//
// Memory that JavaScript may shrink or that other threads may write (resizable and shared buffers) is always copied,
// since a share does not help there.
class Stores {
 public:
  explicit Stores(Napi::Env env);

  // Whether memory is held where it is; otherwise it is copied.
  bool holds() const { return holds_; }

  // The elements of a Float64Array or Float32Array as they are now, whatever happens to it later. Throws a JavaScript
  // Error with a code for other arrays and for those in shared or detached buffers, and std::bad_alloc.
  ArrayView hold(const Napi::TypedArray& array, const std::string& what) const;

  // The same of a Uint8Array, whose length is that in bytes.
  ArrayView hold_bytes(const Napi::TypedArray& array, const std::string& what) const;

  // A new array of zeros, owned by JavaScript, and where its elements lie. Throws a JavaScript Error MEMORY_LIMIT where
  // there is no memory for it, unlike Node-API, which then ends the process.
  NewArray make(Napi::Env env, DType dtype, std::size_t elements) const;

 private:
  ArrayView hold_elements(const Napi::TypedArray& array, std::size_t width, const std::string& what) const;
  bool resizable(const Napi::Value& buffer) const;

  bool holds_ = false;
  Napi::FunctionReference float64_array_, float32_array_;
  Napi::FunctionReference resizable_;  // the getter; empty where buffers never are
};

}  // namespace tensim::addon
