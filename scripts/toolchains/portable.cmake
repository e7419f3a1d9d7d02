# For target tensim on Linux with glibc: what the addon asks of the machine that it is loaded on is as little, and as old,
# as can be.
#
# libstdc++ is in the addon, and nobody else's. libgcc_s is not: a copy of its own would need glibc 2.35 to find its way up
# the stack, and Node itself needs libgcc_s wherever there is a Node with glibc. Of glibc the linker would take the newest
# version of every function. For those that had another before, it is shown libraries in which they have the oldest, which
# every glibc still has, and which lie in the libraries that they were in then.

target_link_options(tensim PRIVATE -static-libstdc++ -Wl,--exclude-libs,ALL -Wl,--gc-sections)
# Where libstdc++ asks whether there is one thread only, which glibc tells from 2.32 on, it is told that there may be more.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/glibc/threads.cc CONTENT "extern \"C\" { char __libc_single_threaded = 0; }\n")
target_sources(tensim PRIVATE ${CMAKE_BINARY_DIR}/glibc/threads.cc)

if(architecture STREQUAL "x64")
  set(oldest_glibc GLIBC_2.2.5)
else()
  set(oldest_glibc GLIBC_2.17)
endif()
set(versioned_m exp exp2 expf hypot log log2 logf pow powf)
set(versioned_pthread pthread_create pthread_join pthread_detach pthread_once pthread_key_create
  __pthread_key_create pthread_getspecific pthread_setspecific)
set(versioned_dl dlopen dlsym dlerror)
set(soname_m libm.so.6)
set(soname_pthread libpthread.so.0)
set(soname_dl libdl.so.2)
foreach(part m pthread dl)
  list(JOIN versioned_${part} "; " names)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/glibc/${part}.map CONTENT "${oldest_glibc} { ${names}; };\n")
  list(TRANSFORM versioned_${part} REPLACE "(.+)" "void \\1(void) {}" OUTPUT_VARIABLE bodies)
  list(JOIN bodies "\n" bodies)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/glibc/${part}.cc CONTENT "extern \"C\" {\n${bodies}\n}\n")
  add_library(tensim_glibc_${part} SHARED ${CMAKE_BINARY_DIR}/glibc/${part}.cc)
  set_target_properties(tensim_glibc_${part} PROPERTIES NO_SONAME ON CXX_VISIBILITY_PRESET default)
  target_compile_options(tensim_glibc_${part} PRIVATE -fno-builtin)
  target_link_options(tensim_glibc_${part} PRIVATE -nostdlib -Wl,-soname,${soname_${part}}
    -Wl,--version-script=${CMAKE_BINARY_DIR}/glibc/${part}.map)
  add_dependencies(tensim tensim_glibc_${part})
  # By its path: -l would find the library of the system. Also if only libstdc++, which comes later, calls what is in it.
  target_link_libraries(tensim PRIVATE
    -Wl,--push-state,--no-as-needed $<TARGET_FILE:tensim_glibc_${part}> -Wl,--pop-state)
endforeach()
set_target_properties(tensim PROPERTIES SKIP_BUILD_RPATH ON)
