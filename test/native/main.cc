#include "check.h"

int main(int argc, char** argv) {
  int passed = 0, failed = 0;
  for (const tensim::test::Test& test : tensim::test::tests()) {
    if (argc > 1 && std::string(test.name).find(argv[1]) == std::string::npos) continue;
    try {
      test.body();
      ++passed;
    } catch (const std::exception& error) {
      ++failed;
      std::printf("FAIL %s\n  %s\n", test.name, error.what());
    }
  }
  std::printf("native tests: %d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
