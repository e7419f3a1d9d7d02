#include "failure.h"

#include <exception>
#include <new>
#include <stdexcept>

#include "../core/error.h"

namespace tensim::addon {

Failure current_failure() {
  try {
    throw;
  } catch (const Aborted&) {
    return {"ABORTED", "the call was aborted"};
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {"MEMORY_LIMIT", "out of memory"};
  } catch (const std::length_error&) {  // more elements than a vector can have
    return {"MEMORY_LIMIT", "out of memory"};
  } catch (const std::exception& error) {
    return {"INTERNAL", error.what()};
  } catch (...) {
    return {"INTERNAL", "an unknown exception"};
  }
}

}  // namespace tensim::addon
