#include "elementwise.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "bundle.h"
#include "tasks.h"

namespace tensim {
namespace {

// One run of `count` elements along the inner loop.
template <class T>
void run(const MicroKernels<T>& kernels, const Product<T>& p, const Loop& inner, const T* a, const T* b, T* out,
         std::size_t count) {
  if (inner.out == 1 && p.b == nullptr && inner.a == 1) return kernels.axpy(count, p.a_factor, a, out, p.accumulate);
  if (inner.out == 1 && p.b != nullptr) {
    if (inner.a == 1 && inner.b == 1) return kernels.multiply(count, p.a_factor, a, p.b_factor, b, out, p.accumulate);
    // A broadcast factor is scaled before it meets the other, so that neither product leaves the range.
    if (inner.a == 0 && inner.b == 1 && p.b_factor == 1)
      return kernels.axpy(count, p.a_factor * *a, b, out, p.accumulate);
    if (inner.a == 1 && inner.b == 0 && p.a_factor == 1)
      return kernels.axpy(count, p.b_factor * *b, a, out, p.accumulate);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::ptrdiff_t>(i);
    const T scaled = p.a_factor * a[at * inner.a];
    const T value = p.b == nullptr ? scaled : scaled * (p.b_factor * b[at * inner.b]);
    T& to = out[at * inner.out];
    to = p.accumulate ? to + value : value;
  }
}

// Side of the square tiles in which two loops are walked when no single one is contiguous in both input and output.
constexpr std::size_t kTile = 32;

}  // namespace

// The inner loop is the one nearest in the output; the loop next to it is the one nearest in an input, so that a
// transposition goes tile by tile, reading and writing whole cache lines.
template <class T>
void multiply_or_copy(const Context& context, const Product<T>& product) {
  Bundle loops = product.batch;
  Loop inner{1, 0, 0, 1}, second{1, 0, 0, 0};
  if (!loops.empty()) {
    inner = loops.back();
    loops.pop_back();
  }
  if (!loops.empty()) {
    const auto nearness = [](const Loop& loop) {
      const std::ptrdiff_t a = loop.a == 0 ? PTRDIFF_MAX : std::abs(loop.a),
                           b = loop.b == 0 ? PTRDIFF_MAX : std::abs(loop.b);
      return std::min(a, b);
    };
    // The last of equals, so that runs follow each other in the output.
    auto nearest = std::prev(loops.end());
    for (auto loop = loops.begin(); loop != loops.end(); ++loop) {
      if (nearness(*loop) < nearness(*nearest)) nearest = loop;
    }
    second = *nearest;
    loops.erase(nearest);
  }
  const bool contiguous =
      inner.out == 1 && inner.a <= 1 && inner.a >= 0 && (product.b == nullptr || (inner.b <= 1 && inner.b >= 0));
  const std::size_t width = contiguous ? std::max<std::size_t>(inner.size, 1) : kTile;
  const std::size_t rows = (second.size + kTile - 1) / kTile;
  const std::size_t points = inner.size * std::min(kTile, std::max<std::size_t>(second.size, 1));
  for_tasks(context, extent(loops) * rows, points, [&](std::size_t unit) {
    const Place outer = place_of(loops, unit / rows);
    const std::size_t first = unit % rows * kTile, last = std::min(second.size, first + kTile);
    for (std::size_t j = 0; j < inner.size; j += width) {
      const auto column = static_cast<std::ptrdiff_t>(j);
      const std::size_t count = std::min(width, inner.size - j);
      for (std::size_t i = first; i < last; ++i) {
        const auto row = static_cast<std::ptrdiff_t>(i);
        run(context.kernels.of<T>(), product, inner, product.a + outer.a + row * second.a + column * inner.a,
            product.b == nullptr ? nullptr : product.b + outer.b + row * second.b + column * inner.b,
            product.out + outer.out + row * second.out + column * inner.out, count);
      }
    }
  });
}

template void multiply_or_copy<double>(const Context&, const Product<double>&);
template void multiply_or_copy<float>(const Context&, const Product<float>&);

}  // namespace tensim
