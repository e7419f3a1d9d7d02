#include <algorithm>
#include <cstdlib>

#include "../core/scratch.h"
#include "product.h"
#include "tasks.h"

namespace tensim {
namespace {

// The offsets of one combination of loops, by its flat index, the last loop fastest.
struct Place {
  std::ptrdiff_t a = 0, b = 0, out = 0;
};
Place place_of(const Bundle& loops, std::size_t index) {
  Place place;
  for (auto loop = loops.rbegin(); loop != loops.rend(); ++loop) {
    const auto i = static_cast<std::ptrdiff_t>(index % loop->size);
    index /= loop->size;
    place.a += i * loop->a;
    place.b += i * loop->b;
    place.out += i * loop->out;
  }
  return place;
}

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
  for (std::size_t i = 0; i < count; ++i, a += inner.a, b += inner.b, out += inner.out) {
    const T value = p.b == nullptr ? p.a_factor * *a : (p.a_factor * *a) * (p.b_factor * *b);
    *out = p.accumulate ? *out + value : value;
  }
}

// Side of the square tiles in which two loops are walked when no single one is contiguous in both input and output.
constexpr std::size_t kTile = 32;

}  // namespace

// The inner loop is the one nearest in the output; the loop next to it is the one nearest in an input, so that a transposition goes tile
// by tile, reading and writing whole cache lines.
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

namespace {

// Kept elements summed together, and the most summed ones in one part of a long sum.
constexpr std::size_t kKept = 512;
constexpr std::size_t kPart = std::size_t{1} << 16;

// sums[i] += Σ_w f(a[kept[i] + summed[w]], w): what reductions and matrix-vector products share. `vector` holds the factors of w, or is null
// for plain sums. The inner loop runs where a is contiguous.
template <class T>
void sum_rows(const MicroKernels<T>& kernels, const T* a, const std::ptrdiff_t* kept, std::size_t kept_count,
              const std::ptrdiff_t* summed, std::size_t summed_count, const T* vector, bool along, bool across,
              double* sums, T* block) {
  if (along) {  // summed indices are contiguous
    for (std::size_t i = 0; i < kept_count; ++i) {
      const T* row = a + kept[i] + summed[0];
      sums[i] += vector == nullptr ? kernels.sum(summed_count, row) : kernels.dot(summed_count, row, vector);
    }
  } else if (across) {  // kept indices are contiguous
    for (std::size_t w = 0; w < summed_count; ++w) {
      kernels.axpy(kept_count, vector == nullptr ? T(1) : vector[w], a + kept[0] + summed[w], block, w > 0);
    }
    for (std::size_t i = 0; i < kept_count && summed_count > 0; ++i) sums[i] += static_cast<double>(block[i]);
  } else {
    for (std::size_t i = 0; i < kept_count; ++i) {
      const T* row = a + kept[i];
      double sum = 0;
      for (std::size_t w = 0; w < summed_count; ++w) {
        const auto value = static_cast<double>(row[summed[w]]);
        sum += vector == nullptr ? value : value * static_cast<double>(vector[w]);
      }
      sums[i] += sum;
    }
  }
}

// out[x, i] (+)= Σ_w a[x, i, w] · b[x, w], or the plain sum without b.
template <class T>
void weighted_sums(const Context& context, const Product<T>& product, const Bundle& batch, const Bundle& kept,
                   const Bundle& summed) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const auto kept_a = offsets_of(kept, &Loop::a), kept_out = offsets_of(kept, &Loop::out);
  const auto summed_a = offsets_of(summed, &Loop::a), summed_b = offsets_of(summed, &Loop::b);
  const std::size_t kept_count = kept_a.size(), summed_count = summed_a.size();
  const std::size_t inner_kept = kept.empty() ? 1 : kept.back().size,
                    inner_summed = summed.empty() ? 1 : summed.back().size;
  const bool along = !summed.empty() && summed.back().a == 1 && inner_summed >= 8;
  const bool across = !along && !kept.empty() && kept.back().a == 1 && inner_kept >= 8;
  const std::size_t row_parts = (kept_count + kKept - 1) / kKept,
                    parts = std::max<std::size_t>(1, (summed_count + kPart - 1) / kPart);
  const std::size_t entries = extent(batch);

  // The vector of every entry, contiguous and scaled.
  const bool has_b = product.b != nullptr;
  Scratch<T> vectors(has_b ? entries * summed_count : 0);
  if (has_b) {
    for_tasks(context, entries, 0, [&](std::size_t x) {
      const T* b = product.b + place_of(batch, x).b;
      for (std::size_t w = 0; w < summed_count; ++w)
        vectors.data()[x * summed_count + w] = product.b_factor * b[summed_b[w]];
    });
  }
  // A long sum is cut into parts of fixed length, which are added up in order: the result does not depend on threads.
  std::vector<double> partial(parts > 1 ? entries * parts * kept_count : 0);
  const auto write = [&](std::size_t x, std::size_t i, double sum) {
    T& at = product.out[place_of(batch, x).out + kept_out[i]];
    const double value = static_cast<double>(product.a_factor) * sum;
    at = static_cast<T>(product.accumulate ? static_cast<double>(at) + value : value);
  };
  const std::size_t points =
      std::min(kKept, std::max<std::size_t>(kept_count, 1)) * std::min(kPart, std::max<std::size_t>(summed_count, 1));
  for_tasks(context, entries * row_parts * parts, points, [&](std::size_t unit) {
    const std::size_t part = unit % parts, x = unit / parts / row_parts, first = unit / parts % row_parts * kKept;
    const std::size_t count = std::min(kKept, kept_count - first), begin = part * kPart;
    const std::size_t length = std::min(kPart, summed_count - begin);
    double sums[kKept] = {};
    alignas(64) T block[kKept];
    const T* a = product.a + place_of(batch, x).a;
    const T* vector = has_b ? vectors.data() + x * summed_count : nullptr;
    // Runs along the contiguous loop, whose outer loops start anew at each multiple of its size.
    for (std::size_t i = 0, rows; i < count; i += rows) {
      rows = across ? std::min(count - i, inner_kept - (first + i) % inner_kept) : count - i;
      for (std::size_t w = begin, steps; w < begin + length; w += steps) {
        steps = along ? std::min(begin + length - w, inner_summed - w % inner_summed) : begin + length - w;
        sum_rows(kernels, a, kept_a.data() + first + i, rows, summed_a.data() + w, steps, has_b ? vector + w : nullptr,
                 along, across, sums + i, block);
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (parts > 1) {
        partial[(x * parts + part) * kept_count + first + i] = sums[i];
      } else {
        write(x, first + i, sums[i]);
      }
    }
  });
  if (parts == 1) return;
  for (std::size_t x = 0; x < entries; ++x) {
    for (std::size_t i = 0; i < kept_count; ++i) {
      double sum = 0;
      for (std::size_t part = 0; part < parts; ++part) sum += partial[(x * parts + part) * kept_count + i];
      write(x, i, sum);
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
void reduce(const Context& context, const Product<T>& product) {
  weighted_sums(context, product, {}, product.batch, product.contracted);
}

#define TENSIM_INSTANTIATE(T)                                           \
  template void multiply_or_copy<T>(const Context&, const Product<T>&); \
  template void vector_product<T>(const Context&, const Product<T>&);   \
  template void reduce<T>(const Context&, const Product<T>&);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)

}  // namespace tensim
