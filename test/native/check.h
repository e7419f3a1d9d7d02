// A test harness of one page: TEST(name) { … } registers a test, CHECK fails it with the place and the values.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/context.h"

namespace tensim::test {

struct Test {
  const char* name;
  std::function<void()> body;
};

inline std::vector<Test>& tests() {
  static std::vector<Test> list;
  return list;
}

struct Registration {
  Registration(const char* name, std::function<void()> body) { tests().push_back({name, std::move(body)}); }
};

#define TEST(name)                                                                   \
  static void test_##name();                                                         \
  static const ::tensim::test::Registration registration_##name(#name, test_##name); \
  static void test_##name()

#define CHECK(condition) ::tensim::test::check((condition), #condition, __FILE__, __LINE__)

inline void check(bool holds, const std::string& what, const char* file, int line) {
  if (holds) return;
  std::ostringstream text;
  text << file << ":" << line << ": " << what;
  throw std::runtime_error(text.str());
}

// |found − wanted| ≤ tolerance · scale
#define CHECK_CLOSE(found, wanted, tolerance, scale)                                                              \
  ::tensim::test::check(std::abs((found) - (wanted)) <= (tolerance) * (scale),                                    \
                        #found " = " + std::to_string(found) + " instead of " + std::to_string(wanted), __FILE__, \
                        __LINE__)

// Whether to go through all shapes of the slow tests. Under a sanitizer one of each kind is enough to find what it
// looks for, and takes minutes less; `npm run test:native -- --sanitize=… --long` has all. TENSIM_TESTS_SHORT is for
// sanitizers of GPUs, which take programs as they are.
inline bool thorough() {
  if (std::getenv("TENSIM_TESTS_SHORT") != nullptr) return false;
#ifdef TENSIM_SANITIZED
  return std::getenv("TENSIM_TESTS_LONG") != nullptr;
#else
  return true;
#endif
}

// Under ThreadSanitizer, which finds nothing on one thread.
inline constexpr bool watches_threads() {
#ifdef __SANITIZE_THREAD__
  return true;
#else
  return false;
#endif
}

// Runs a test body once per instruction set of this machine, on one thread and on three.
inline void on_every_kernel(const std::function<void(const Context&)>& body) {
  for (InstructionSet set : available_instruction_sets()) {
    for (unsigned threads : {1u, 3u}) {
      if (threads == 1 && watches_threads() && !thorough()) continue;
      ThreadPool pool;
      Control control;
      body(Context{kernels_for(set), pool, threads, control});
    }
  }
}

// Numbers in [−1, 1), the same in every run of the same seed.
class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed + campaign()) {}
  double number() { return std::uniform_real_distribution<double>(-1, 1)(engine_); }
  std::size_t index(std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(engine_); }
  template <class T>
  std::vector<T> vector(std::size_t size) {
    std::vector<T> values(size);
    for (T& value : values) value = static_cast<T>(number());
    return values;
  }

 private:
  // Set by campaigns, which go through other numbers.
  static unsigned campaign() {
    const char* const seed = std::getenv("TENSIM_TESTS_SEED");
    return seed == nullptr ? 0 : static_cast<unsigned>(std::atoi(seed));
  }
  std::mt19937 engine_;
};

}  // namespace tensim::test
