// With MinGW alone (scripts/toolchains/host_symbols.cmake): finds Node-API in the program that loads the addon.
#if defined(__MINGW32__)
#include <windows.h>

#include <initializer_list>

// node_api.inc has a line NODE_API(name) for each function of Node-API 8. A call of an imported function goes through a
// pointer of this name.
#define NODE_API(name)  \
  extern "C" {          \
  FARPROC __imp_##name; \
  }
#include "node_api.inc"
#undef NODE_API

namespace {

// Where Node is: the program itself, or the library of those that have it in one.
FARPROC find(const char* name) {
  for (const wchar_t* library : {static_cast<const wchar_t*>(nullptr), L"libnode.dll", L"node.dll", L"nw.dll"}) {
    const HMODULE module = GetModuleHandleW(library);
    if (module == nullptr) continue;
    if (const FARPROC function = GetProcAddress(module, name)) return function;
  }
  return nullptr;
}

bool find_all() {
  bool found = true;
#define NODE_API(name) found = (__imp_##name = find(#name)) != nullptr && found;
#include "node_api.inc"
#undef NODE_API
  return found;
}

}  // namespace

// Without Node-API the addon does not load.
extern "C" BOOL WINAPI DllMain(HINSTANCE, DWORD reason, LPVOID) {
  return reason != DLL_PROCESS_ATTACH || find_all() ? TRUE : FALSE;
}

#endif  // __MINGW32__
