#include "normals.h"

#include <algorithm>
#include <vector>

namespace tensim {
namespace {

// Numbers in one task: about a tenth of a millisecond.
constexpr std::size_t kNumbersPerTask = std::size_t{1} << 15;
// What one number costs in flops, for progress.
constexpr std::size_t kFlopsPerNumber = 50;

}  // namespace

void normals(const Context& context, const NormalStream& stream, std::uint32_t first, std::size_t count, double* out) {
  const std::size_t dimension = stream.dimension;
  if (dimension == 0 || count == 0) return;
  const std::size_t pairs = (dimension + 1) / 2, per_task = std::max<std::size_t>(1, kNumbersPerTask / dimension);
  context.control.expect(count * dimension * kFlopsPerNumber);
  context.parallel_for((count + per_task - 1) / per_task, [&](std::size_t task) {
    const std::size_t begin = task * per_task, end = std::min(count, begin + per_task);
    // Of an odd number of places the last pair fills only one.
    std::vector<double> spill(dimension % 2 == 0 ? 0 : pairs);
    for (std::size_t s = begin; s < end; ++s) {
      double* row = out + s * dimension;
      double* second = spill.empty() ? row + pairs : spill.data();
      context.kernels.normal_pairs(pairs, first + static_cast<std::uint32_t>(s), stream.key0, stream.key1, row, second);
      if (!spill.empty()) std::copy(spill.begin(), spill.end() - 1, row + pairs);
    }
    context.control.advance((end - begin) * dimension * kFlopsPerNumber);
  });
}

}  // namespace tensim
