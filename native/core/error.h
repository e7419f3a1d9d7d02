#pragma once

#include <stdexcept>
#include <string>

namespace tensim {

// An error with one of the stable codes of lib/errors.ts. It is thrown anywhere below addon/, which turns it into a
// JavaScript error with the same `code`; no exception crosses the Node-API edge unconverted.
class Error : public std::runtime_error {
 public:
  Error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const noexcept { return code_; }

 private:
  const char* code_;  // a string literal
};

// Unwinds work whose control was aborted. It is not a failure: the facade rejects with the signal's reason.
struct Aborted {};

}  // namespace tensim
