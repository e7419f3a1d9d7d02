#include "stores.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "arguments.h"

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

namespace tensim::addon {
namespace {

// v8::BackingStore, known by pointers alone.
struct Store;
using Share = std::shared_ptr<const Store>;

// v8::ArrayBuffer::GetBackingStore(), v8::BackingStore::Data() and ByteLength(), as the C++ ABI calls member functions
// on everything but Windows: `this` is the first argument. A napi_value is what a v8::Local points to, which is `this`.
struct V8 {
  Share (*share)(void* array_buffer) = nullptr;
  void* (*data)(const Store* store) = nullptr;
  std::size_t (*byte_length)(const Store* store) = nullptr;
};

template <class Function>
bool find(const char* symbol, Function& function) {
#if defined(_WIN32)
  static_cast<void>(symbol);
  static_cast<void>(function);
  return false;
#else
  void* const address = dlsym(RTLD_DEFAULT, symbol);
  std::memcpy(&function, &address, sizeof address);
  return address != nullptr;
#endif
}

V8 find_v8() {
  V8 v8;
  const bool whole = find("_ZN2v811ArrayBuffer15GetBackingStoreEv", v8.share) &&
                     find("_ZNK2v812BackingStore4DataEv", v8.data) &&
                     find("_ZNK2v812BackingStore10ByteLengthEv", v8.byte_length);
  return whole ? v8 : V8{};
}

const V8& v8() {
  static const V8 found = find_v8();
  return found;
}

Share share_of(const Napi::ArrayBuffer& buffer) {
  return v8().share(static_cast<napi_value>(buffer));
}

// Embedders and other runtimes tell of themselves beside Node in process.versions.
bool plain_node(Napi::Env env) {
  const Napi::Value process = env.Global().Get("process");
  if (!process.IsObject()) return false;
  const Napi::Value versions = process.As<Napi::Object>().Get("versions");
  if (!versions.IsObject()) return false;
  for (const char* other : {"electron", "nw", "bun", "deno"}) {
    if (versions.As<Napi::Object>().Has(other)) return false;
  }
  return versions.As<Napi::Object>().Has("node") && versions.As<Napi::Object>().Has("v8");
}

// Whether a share is what it is taken for: it points to the memory of a buffer, and counts its owners as ours does.
//
// Nothing is detached to see that the memory stays: V8 gives up, for the rest of the process, on optimising arrays that
// it may take for attached as soon as one has been detached, and every loop over typed arrays then takes up to twice as
// long. test/addon/boundary.test.ts parts arrays from their buffers in all ways, in processes of its own.
bool try_out(Napi::Env env) {
  constexpr std::size_t kBytes = 256;
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, kBytes);
  auto* const share = new Share(share_of(buffer));
  const bool points =
      *share != nullptr && v8().data(share->get()) == buffer.Data() && v8().byte_length(share->get()) == kBytes;
  if (!points || share->use_count() != 2) return false;  // what counts in another way is not to be given back
  delete share;
  return true;
}

// Those in which this was tried at length, under sanitizers and under load. What no version has promised is not taken
// for granted in the next.
bool tried_version(Napi::Env env) {
  const napi_node_version* version = nullptr;
  if (napi_get_node_version(env, &version) != napi_ok) return false;
  return version->major == 20 || version->major == 24;
}

bool can_hold(Napi::Env env) {
  const char* const wanted = std::getenv("TENSIM_ARRAYS");
  if (wanted != nullptr && std::strcmp(wanted, "copy") == 0) return false;
  return v8().share != nullptr && plain_node(env) && tried_version(env) && try_out(env);
}

Napi::FunctionReference constructor(Napi::Env env, const char* name) {
  return Napi::Persistent(env.Global().Get(name).As<Napi::Function>());
}

std::shared_ptr<const void> copy_of(const void* data, std::size_t bytes) {
  std::unique_ptr<unsigned char[]> copy(new unsigned char[bytes]);  // not by make_unique, which would clear it first
  std::memcpy(copy.get(), data, bytes);
  return std::shared_ptr<const unsigned char[]>(std::move(copy));
}

}  // namespace

Stores::Stores(Napi::Env env)
    : holds_(can_hold(env)),
      float64_array_(constructor(env, "Float64Array")),
      float32_array_(constructor(env, "Float32Array")) {
  const auto object = env.Global().Get("Object").As<Napi::Object>();
  const auto prototype = env.Global().Get("ArrayBuffer").As<Napi::Object>().Get("prototype").As<Napi::Object>();
  const Napi::Value property = object.Get("getOwnPropertyDescriptor")
                                   .As<Napi::Function>()
                                   .Call(object, {prototype, Napi::String::New(env, "resizable")});
  if (property.IsObject()) resizable_ = Napi::Persistent(property.As<Napi::Object>().Get("get").As<Napi::Function>());
}

bool Stores::resizable(const Napi::Value& buffer) const {
  return !resizable_.IsEmpty() && resizable_.Call(buffer, {}).ToBoolean();
}

ArrayView Stores::hold(const Napi::TypedArray& array, const std::string& what) const {
  const napi_typedarray_type type = array.TypedArrayType();
  if (type != napi_float64_array && type != napi_float32_array) {
    fail(array.Env(), "INVALID_ARGUMENT", what + " must be a Float64Array or a Float32Array");
  }
  ArrayView view = hold_elements(array, type == napi_float64_array ? sizeof(double) : sizeof(float), what);
  view.dtype = type == napi_float64_array ? DType::kFloat64 : DType::kFloat32;
  return view;
}

ArrayView Stores::hold_bytes(const Napi::TypedArray& array, const std::string& what) const {
  if (array.TypedArrayType() != napi_uint8_array) {
    fail(array.Env(), "INVALID_ARGUMENT", what + " must be a Uint8Array");
  }
  return hold_elements(array, 1, what);
}

ArrayView Stores::hold_elements(const Napi::TypedArray& array, std::size_t width, const std::string& what) const {
  const Napi::Env env = array.Env();
  ArrayView view;
  void* data = nullptr;
  napi_value memory = nullptr;
  if (napi_get_typedarray_info(env, array, nullptr, &view.length, &data, &memory, nullptr) != napi_ok) {
    throw Napi::Error::New(env);
  }
  const Napi::ArrayBuffer buffer(env, memory);
  if (!buffer.IsArrayBuffer() || buffer.IsDetached()) {
    fail(env, "INVALID_ARGUMENT", what + " lies in a shared or detached buffer");
  }
  static const double nothing = 0;  // an empty array may have no memory at all
  if (view.length == 0) data = nullptr;
  view.data = data == nullptr ? &nothing : data;
  if (data == nullptr) return view;
  if (holds_ && !resizable(buffer)) {
    view.owner = share_of(buffer);
  } else {
    view.owner = copy_of(data, view.length * width);
    view.data = view.owner.get();
  }
  return view;
}

NewArray Stores::make(Napi::Env env, DType dtype, std::size_t elements) const {
  const Napi::FunctionReference& type = dtype == DType::kFloat64 ? float64_array_ : float32_array_;
  NewArray made;
  try {
    made.array = type.New({Napi::Number::New(env, static_cast<double>(elements))}).As<Napi::TypedArray>();
    const napi_status status =
        napi_get_typedarray_info(env, made.array, nullptr, nullptr, &made.data, nullptr, nullptr);
    if (status != napi_ok) throw Napi::Error::New(env);
    return made;
  } catch (const Napi::Error& error) {
    const Napi::Value name = error.Value().Get("name");
    if (!name.IsString() || name.As<Napi::String>().Utf8Value() != "RangeError") throw;
    fail(env, "MEMORY_LIMIT", "there is no memory for a result of " + std::to_string(elements) + " elements");
  }
}

}  // namespace tensim::addon
