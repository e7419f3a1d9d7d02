#include "low_rank_panels.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "../core/assert.h"

namespace tensim {
namespace {

// Without the sign, sizes of numbers are in the order of their bits.
template <class S>
using BitsOf =
    std::conditional_t<sizeof(S) == 8, std::int64_t, std::conditional_t<sizeof(S) == 4, std::int32_t, std::int16_t>>;

template <class Bits, class S>
Bits size_bits(S x) {
  Bits bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<Bits>(bits & std::numeric_limits<Bits>::max());
}

// The largest sizes of the rows of one matrix.
template <class S, class Bits>
void largest_of(const S* from, std::size_t rank, std::size_t depth, bool rank_last, Bits* largest) {
  std::fill(largest, largest + rank, Bits(0));
  if (rank_last) {
    for (std::size_t d = 0; d < depth; ++d, from += rank) {
      for (std::size_t k = 0; k < rank; ++k) largest[k] = std::max(largest[k], size_bits<Bits>(from[k]));
    }
    return;
  }
  for (std::size_t k = 0; k < rank; ++k, from += depth) {
    Bits most = 0;
    for (std::size_t d = 0; d < depth; ++d) most = std::max(most, size_bits<Bits>(from[d]));
    largest[k] = most;
  }
}

// Steps that are packed at a time, lane after lane: their part of a panel stays in the first cache.
constexpr std::size_t kStrip = 32;

// Rows of one matrix, from its row k on, to lanes of a panel.
template <class Step, class S>
void pack_lanes(const S* from, std::size_t rank, std::size_t depth, bool rank_last, std::size_t k, std::size_t lanes,
                const typename Step::T* scales, std::size_t width, typename Step::T* panel) {
  constexpr std::size_t kDepth = Step::kDepth;
  const std::size_t whole = depth / kDepth, steps = (depth + kDepth - 1) / kDepth;
  if (rank_last) {
    for (std::size_t s = 0; s < steps; ++s) {
      const S* first = from + s * kDepth * rank + k;
      const S* second = first + (kDepth - 1) * rank;
      typename Step::T* to = panel + s * width;
      if (s < whole) {
        for (std::size_t lane = 0; lane < lanes; ++lane) to[lane] = Step::word(first[lane], second[lane], scales[lane]);
      } else {
        for (std::size_t lane = 0; lane < lanes; ++lane) to[lane] = Step::word(first[lane], S{}, scales[lane]);
      }
    }
    return;
  }
  for (std::size_t s0 = 0; s0 < steps; s0 += kStrip) {
    const std::size_t end = std::min(whole, s0 + kStrip);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const S* row = from + (k + lane) * depth;
      typename Step::T* to = panel + lane;
      for (std::size_t s = s0; s < end; ++s) {
        to[s * width] = Step::word(row[s * kDepth], row[s * kDepth + kDepth - 1], scales[lane]);
      }
      if (end == whole && whole < steps) to[whole * width] = Step::word(row[depth - 1], S{}, scales[lane]);
    }
  }
}

}  // namespace

std::size_t bytes_of(NumberFormat format) {
  switch (format) {
    case NumberFormat::kFloat64:
      return 8;
    case NumberFormat::kFloat32:
      return 4;
    case NumberFormat::kFloat16:
    case NumberFormat::kBFloat16:
      break;
  }
  return 2;
}

template <class Step>
void pack_rows_of(const StoredFactors& factors, std::size_t rank, const typename Step::T* scales, std::size_t row,
                  std::size_t lanes, std::size_t width, typename Step::T* panel) {
  TENSIM_ASSERT(lanes >= 1 && lanes <= width);
  const std::size_t depth = factors.depth;
  if (lanes < width) {
    for (std::size_t s = 0; s < steps_of<Step>(factors); ++s) {
      std::fill(panel + s * width + lanes, panel + (s + 1) * width, typename Step::T(0));
    }
  }
  const auto pack = [&](const auto* data) {
    for (std::size_t lane = 0; lane < lanes;) {
      const std::size_t matrix = (row + lane) / rank, k = (row + lane) % rank;
      const std::size_t count = std::min(rank - k, lanes - lane);
      pack_lanes<Step>(data + matrix * rank * depth, rank, depth, factors.rank_last, k, count, scales + row + lane,
                       width, panel + lane);
      lane += count;
    }
  };
  if constexpr (Step::kDepth == 2) {
    pack(static_cast<const BFloat16*>(factors.data));
  } else {
    visit(factors, pack);
  }
}

std::vector<int> exponents_of(const Context& context, const StoredFactors& factors, std::size_t count,
                              std::size_t rank) {
  std::vector<int> exponents(count * rank);
  visit(factors, [&](const auto* data) {
    using S = std::decay_t<decltype(*data)>;
    using Bits = BitsOf<S>;
    context.parallel_for(count, rank * factors.depth, [&](std::size_t matrix) {
      std::vector<Bits> largest(rank);
      largest_of(data + matrix * rank * factors.depth, rank, factors.depth, factors.rank_last, largest.data());
      for (std::size_t k = 0; k < rank; ++k) {
        S size;
        std::memcpy(&size, &largest[k], sizeof size);
        const double value = decoded(size);
        int& exponent = exponents[matrix * rank + k];
        if (std::isfinite(value)) std::frexp(value, &exponent);
      }
    });
  });
  return exponents;
}

template void pack_rows_of<Numbers<double>>(const StoredFactors&, std::size_t, const double*, std::size_t, std::size_t,
                                            std::size_t, double*);
template void pack_rows_of<Numbers<float>>(const StoredFactors&, std::size_t, const float*, std::size_t, std::size_t,
                                           std::size_t, float*);
template void pack_rows_of<Pairs>(const StoredFactors&, std::size_t, const float*, std::size_t, std::size_t,
                                  std::size_t, float*);

}  // namespace tensim
