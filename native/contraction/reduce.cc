#include "reduce.h"

#include <algorithm>
#include <cstdint>

#include "bundle.h"
#include "tasks.h"

namespace tensim {
namespace {

// Kept elements summed together, summed ones taken together, and the most summed ones in one part of a long sum.
constexpr std::size_t kKept = 512;
constexpr std::size_t kRun = 4096;
constexpr std::size_t kPart = std::size_t{1} << 16;

// sums[i] += Σ_w a[kept[i] + w·stride] · vector[w], or the plain sum without a vector: what reductions and
// matrix-vector products share. The inner loop runs where a is contiguous: along w, or else across the kept elements,
// if these are.
template <class T>
void sum_run(const MicroKernels<T>& kernels, const T* a, const std::ptrdiff_t* kept, std::size_t kept_count,
             std::ptrdiff_t stride, std::size_t count, const T* vector, double* sums) {
  if (stride == 1) {
    for (std::size_t i = 0; i < kept_count; ++i) {
      sums[i] += vector == nullptr ? kernels.sum(count, a + kept[i]) : kernels.dot(count, a + kept[i], vector);
    }
    return;
  }
  constexpr std::size_t kWorthAcross = 8;
  alignas(64) T block[kKept];
  for (std::size_t i = 0; i < kept_count;) {
    std::size_t end = i + 1;  // of a stretch of contiguous elements
    while (end < kept_count && kept[end] == kept[end - 1] + 1) ++end;
    if (end - i >= kWorthAcross && count > 0) {
      for (std::size_t w = 0; w < count; ++w) {
        const T* row = a + kept[i] + static_cast<std::ptrdiff_t>(w) * stride;
        kernels.axpy(end - i, vector == nullptr ? T(1) : vector[w], row, block, w > 0);
      }
      for (std::size_t k = i; k < end; ++k) sums[k] += static_cast<double>(block[k - i]);
    } else {
      for (std::size_t k = i; k < end; ++k) {
        const T* at = a + kept[k];
        double sum = 0;
        for (std::size_t w = 0; w < count; ++w) {
          const auto value = static_cast<double>(at[static_cast<std::ptrdiff_t>(w) * stride]);
          sum += vector == nullptr ? value : value * static_cast<double>(vector[w]);
        }
        sums[k] += sum;
      }
    }
    i = end;
  }
}

// Brings the loop along which a is best read to the end: one that is contiguous in a, else the longest.
void put_best_last(Bundle& loops) {
  constexpr std::size_t kLongEnough = 8;
  auto best = loops.begin();
  for (auto loop = loops.begin(); loop != loops.end(); ++loop) {
    const auto rank = [](const Loop& l) { return l.a == 1 && l.size >= kLongEnough ? SIZE_MAX : l.size; };
    if (rank(*loop) > rank(*best)) best = loop;
  }
  if (best != loops.end()) std::rotate(best, best + 1, loops.end());
}

// out[x, i] (+)= Σ_w a[x, i, w] · b[x, w], or the plain sum without b. Offsets are made for a few thousand elements at
// a time, whatever the extents: a sum over a large tensor takes no memory of its own.
template <class T>
void weighted_sums(const Context& context, const Product<T>& product, const Bundle& batch, const Bundle& kept,
                   Bundle summed) {
  put_best_last(summed);
  const Loop inner = summed.empty() ? Loop{1, 0, 0, 0} : summed.back();
  const std::size_t entries = extent(batch), kept_count = extent(kept), summed_count = extent(summed);
  const std::size_t row_parts = (kept_count + kKept - 1) / kKept,
                    parts = std::max<std::size_t>(1, (summed_count + kPart - 1) / kPart);
  // A long sum is cut into parts of fixed length, which are added up in order: the result does not depend on threads.
  std::vector<double> partial(parts > 1 ? entries * parts * kept_count : 0);
  const auto write = [&](T& at, double sum) {
    const double value = static_cast<double>(product.a_factor) * sum;
    at = static_cast<T>(product.accumulate ? static_cast<double>(at) + value : value);
  };
  const std::size_t points = std::min(kKept, kept_count) * std::min(kPart, summed_count);
  for_tasks(context, entries * row_parts * parts, points, [&](std::size_t unit) {
    const std::size_t part = unit % parts, x = unit / parts / row_parts, first = unit / parts % row_parts * kKept;
    const std::size_t count = std::min(kKept, kept_count - first), end = std::min(summed_count, (part + 1) * kPart);
    const Place entry = place_of(batch, x);
    double sums[kKept] = {};
    std::ptrdiff_t kept_a[kKept];
    alignas(64) T gathered[kRun];
    fill_offsets(kept, &Loop::a, first, count, kept_a);
    for (std::size_t w = part * kPart, steps; w < end; w += steps) {
      steps = std::min({kRun, end - w, inner.size - w % inner.size});
      const Place place = place_of(summed, w);
      const T* vector = nullptr;
      if (product.b != nullptr) {
        const T* b = product.b + entry.b + place.b;
        vector = b;
        if (inner.b != 1 || product.b_factor != 1) {
          for (std::size_t k = 0; k < steps; ++k) {
            gathered[k] = product.b_factor * b[static_cast<std::ptrdiff_t>(k) * inner.b];
          }
          vector = gathered;
        }
      }
      sum_run(context.kernels.of<T>(), product.a + entry.a + place.a, kept_a, count, inner.a, steps, vector, sums);
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (parts > 1) {
        partial[(x * parts + part) * kept_count + first + i] = sums[i];
      } else {
        write(product.out[entry.out + place_of(kept, first + i).out], sums[i]);
      }
    }
  });
  if (parts == 1) return;
  for (std::size_t x = 0; x < entries; ++x) {
    for (std::size_t i = 0; i < kept_count; ++i) {
      double sum = 0;
      for (std::size_t part = 0; part < parts; ++part) sum += partial[(x * parts + part) * kept_count + i];
      write(product.out[place_of(batch, x).out + place_of(kept, i).out], sum);
    }
  }
}

}  // namespace

template <class T>
void vector_product(const Context& context, const Product<T>& product) {
  if (extent(product.right) == 1)
    return weighted_sums(context, product, product.batch, product.left, product.contracted);
  Product<T> other = product;
  std::swap(other.a, other.b);
  std::swap(other.a_factor, other.b_factor);
  for (Bundle* bundle : {&other.batch, &other.right, &other.contracted}) {
    for (Loop& loop : *bundle) std::swap(loop.a, loop.b);
  }
  weighted_sums(context, other, other.batch, other.right, other.contracted);
}

template <class T>
void reduce_loops(const Context& context, const Product<T>& product) {
  weighted_sums(context, product, {}, product.batch, product.contracted);
}

#define TENSIM_INSTANTIATE(T)                                         \
  template void vector_product<T>(const Context&, const Product<T>&); \
  template void reduce_loops<T>(const Context&, const Product<T>&);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
