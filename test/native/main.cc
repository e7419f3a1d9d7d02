#include "check.h"

// tensim_native_tests [PART OF A NAME]
//
// With TENSIM_TESTS_SHARD=1/2 every second test, from the second on: several processes share the work.
int main(int argc, char** argv) {
  int passed = 0, failed = 0, number = 0, shard = 0, shards = 1;
  const char* const share = std::getenv("TENSIM_TESTS_SHARD");
  if (share != nullptr && std::sscanf(share, "%d/%d", &shard, &shards) != 2) return 2;
  for (const tensim::test::Test& test : tensim::test::tests()) {
    if (argc > 1 && std::string(test.name).find(argv[1]) == std::string::npos) continue;
    if (number++ % shards != shard) continue;
    try {
      test.body();
      ++passed;
    } catch (const std::exception& error) {
      ++failed;
      std::printf("FAIL %s\n  %s\n", test.name, error.what());
    }
  }
  std::printf("native tests: %d passed, %d failed\n", passed, failed);
  return failed == 0 && (passed > 0 || shard > 0) ? 0 : 1;
}
