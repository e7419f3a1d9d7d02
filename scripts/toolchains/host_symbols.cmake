# For target tensim, with MinGW: the functions of Node-API are looked up in the program that loads the addon, whatever it
# is called (node.exe, electron.exe), or in the library that it has Node in. An import library would ask for node.exe by
# name, and the stubs for late loading that MinGW makes lose arguments that are floating-point numbers.
#
# A call of an imported function f goes through the pointer __imp_f. The list of functions, from node-api-headers, becomes a
# file with these pointers, in the order in which native/addon/host_symbols.cc fills them in.

execute_process(
  COMMAND ${TENSIM_NODE} scripts/native-sources.cjs node-api
  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
  OUTPUT_VARIABLE node_api
  OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/node_api.inc CONTENT "${node_api}\n")
target_include_directories(tensim PRIVATE ${CMAKE_BINARY_DIR})
target_compile_definitions(tensim PRIVATE BUILDING_NODE_EXTENSION)
