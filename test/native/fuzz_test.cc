// What the fuzzer of plans has in its corpus and has found (scripts/campaigns/fuzz_native.mjs), read again: under
// sanitizers, a plan that reaches outside of its buffers ends the tests.

#include <fstream>

#include "check.h"
#include "fuzz/plan.h"

namespace tensim {
namespace {

std::vector<std::vector<std::uint8_t>> inputs_in(const std::string& path) {
  std::vector<std::vector<std::uint8_t>> inputs;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::vector<std::uint8_t> input;
    for (std::size_t at = 0; at + 1 < line.size(); at += 2) {
      input.push_back(static_cast<std::uint8_t>(std::stoul(line.substr(at, 2), nullptr, 16)));
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

}  // namespace

TEST(fuzzed_plans_are_refused_or_run) {
  auto inputs = inputs_in("test/fuzz/corpus/plan.hex");
  for (auto& input : inputs_in("test/fuzz/fixtures/plan.hex")) inputs.push_back(std::move(input));
  test::on_every_kernel([&](const Context& context) {
    std::size_t refused = 0, run = 0;
    for (const auto& input : inputs) {
      if (input.empty()) continue;
      const fuzz::Outcome outcome = fuzz::outcome_of_plan(context, input.data() + 1, input.size() - 1);
      if (outcome == fuzz::Outcome::kRefused) ++refused;
      if (outcome == fuzz::Outcome::kRun) ++run;
    }
    CHECK(refused > 0);
    CHECK(run > 0);
  });
}

}  // namespace tensim
