#pragma once

#include <string>

namespace tensim::addon {

// What an exception of native code is to JavaScript: a code of lib/errors.ts, or ABORTED, and a message.
struct Failure {
  const char* code;
  std::string message;
};

// That of the exception that is being handled: call it in `catch (...)`. Nothing that native code throws may reach
// Node, which is compiled without exceptions.
Failure current_failure();

}  // namespace tensim::addon
