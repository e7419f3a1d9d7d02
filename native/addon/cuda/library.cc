#include "library.h"

#include <map>
#include <mutex>

#include "../../core/control.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace tensim {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error("BACKEND_UNAVAILABLE", message);
}

#if defined(_WIN32)

std::wstring wide(const std::string& text) {
  std::wstring result(static_cast<std::size_t>(MultiByteToWideChar(CP_UTF8, 0, text.c_str(), -1, nullptr, 0)), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, text.c_str(), -1, result.data(), static_cast<int>(result.size()));
  return result;
}

TensimCudaEntry entry_of(const std::string& path) {
  const HMODULE library = LoadLibraryExW(wide(path).c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
  if (library == nullptr) refuse("error " + std::to_string(GetLastError()) + " loading " + path);
  return reinterpret_cast<TensimCudaEntry>(reinterpret_cast<void*>(GetProcAddress(library, TENSIM_CUDA_SYMBOL)));
}

#else

TensimCudaEntry entry_of(const std::string& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) refuse(dlerror());
  return reinterpret_cast<TensimCudaEntry>(dlsym(library, TENSIM_CUDA_SYMBOL));
}

#endif

bool is_whole(const TensimCudaForwardApi* api) {
  return api != nullptr && api->create != nullptr && api->destroy != nullptr && api->evaluate != nullptr &&
         api->keep != nullptr && api->combine != nullptr && api->sample_products != nullptr && api->normals != nullptr;
}

}  // namespace

const TensimCudaApi& checked_api(const TensimCudaApi* api, const std::string& path) {
  if (api == nullptr) refuse(path + " gives no table of functions");
  if (api->version != TENSIM_CUDA_VERSION) {
    refuse(path + " has version " + std::to_string(api->version) + " of the interface, and version " +
           std::to_string(TENSIM_CUDA_VERSION) + " is needed");
  }
  const bool whole = api->size == sizeof(TensimCudaApi) && api->device_count != nullptr &&
                     api->device_info != nullptr && api->model_create != nullptr && api->model_destroy != nullptr &&
                     api->gram_products != nullptr && api->peak != nullptr && api->closure_create != nullptr &&
                     api->closure_destroy != nullptr && api->closure_products != nullptr &&
                     api->two_block_create != nullptr && api->units != nullptr && is_whole(api->forward) &&
                     api->contraction != nullptr && api->contraction->size == sizeof(TensimCudaContractionApi);
  if (!whole) refuse(path + " does not have the functions of the version that it says it has");
  return *api;
}

const CudaLibrary& CudaLibrary::open(const std::string& path) {
  static std::mutex mutex;
  // Never destroyed, for models may be given back while static variables are going already.
  static auto& libraries = *new std::map<std::string, const CudaLibrary>;
  std::lock_guard<std::mutex> lock(mutex);
  const auto known = libraries.find(path);
  if (known != libraries.end()) return known->second;
  const TensimCudaEntry entry = entry_of(path);
  if (entry == nullptr) refuse(path + " is no library of tensim");
  return libraries.emplace(path, CudaLibrary(checked_api(entry(), path))).first->second;
}

int report_progress(void* context, std::uint64_t done, std::uint64_t total) {
  auto& control = *static_cast<Control*>(context);
  control.expect(total);
  control.advance(done - control.done());
  return control.aborted() ? 1 : 0;
}

void check_cuda(TensimCudaStatus status, const TensimCudaError& error) {
  switch (status) {
    case TENSIM_CUDA_OK:
      return;
    case TENSIM_CUDA_ABORTED:
      throw Aborted{};
    case TENSIM_CUDA_OUT_OF_MEMORY:
      throw Error("MEMORY_LIMIT", std::string("the CUDA backend is out of memory: ") + error.message);
    case TENSIM_CUDA_INVALID:
      throw Error("INVALID_ARGUMENT", error.message);
    case TENSIM_CUDA_UNAVAILABLE:
      throw Error("BACKEND_UNAVAILABLE", error.message);
    case TENSIM_CUDA_FAILED:
      break;
  }
  throw Error("BACKEND_UNAVAILABLE", std::string("the CUDA backend failed: ") + error.message);
}

}  // namespace tensim
