// The plans of plan.h under libFuzzer: `npm run campaign -- fuzz-native`.

#include <cstdio>

#include "plan.h"

namespace {

struct Tally {
  unsigned long long executions = 0, accepted = 0, run = 0;
  ~Tally() {
    std::fprintf(stderr, "TALLY {\"executions\":%llu,\"accepted\":%llu,\"deep\":%llu}\n", executions, accepted, run);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tensim::fuzz::Outcome;
  static tensim::ThreadPool pool;
  static Tally tally;
  static const auto sets = tensim::available_instruction_sets();
  // The first byte chooses the kernels.
  const std::size_t chosen = size == 0 ? 0 : data[0];
  tensim::Control control;
  const tensim::Context context{tensim::kernels_for(sets[chosen % sets.size()]), pool, 1, control};
  const Outcome outcome = tensim::fuzz::outcome_of_plan(context, data + (size > 0), size - (size > 0));
  ++tally.executions;
  if (outcome != Outcome::kRefused) ++tally.accepted;
  if (outcome == Outcome::kRun) ++tally.run;
  return 0;
}
