#include "hafnian.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "../core/aligned_buffer.h"

namespace tensim {
namespace {

constexpr std::size_t kLanes = kSeriesLanes;

// Branches over the first pairs are gone through from outside, eight at a time in the lanes of the series: at least so
// many, so that there is enough for every thread.
constexpr std::size_t kLeastPrefixes = 512;

// x_0 takes one value of each ± pair only.
std::size_t branches(std::size_t r, std::size_t pair) {
  return pair == 0 ? r / 2 + 1 : r + 1;
}

// (−1)^ν C(r, ν), for the first pair doubled where it stands for ±x.
double weight(std::size_t r, std::size_t nu, std::size_t pair) {
  double value = pair == 0 && 2 * nu != r ? 2 : 1;
  for (std::size_t i = 0; i < nu; ++i) value *= -static_cast<double>(r - i) / static_cast<double>(i + 1);
  return value;
}

double node(std::size_t r, std::size_t nu) {
  return static_cast<double>(r) / 2 - static_cast<double>(nu);
}

// Eight numbers, one per lane.
struct alignas(64) Lanes {
  double at[kLanes];
  static Lanes splat(double value) {
    Lanes lanes;
    std::fill_n(lanes.at, kLanes, value);
    return lanes;
  }
};

// out += factor · a · b
void add_product(double* out, double factor, const double* a, const double* b) {
  for (std::size_t l = 0; l < kLanes; ++l) out[l] += factor * a[l] * b[l];
}

// What is left when the pairs before a level are integrated out: the twin of `Level` in the fallback, with eight lanes.
struct Level {
  std::size_t legs, length, repeats, diagonal, size;  // size: coefficients of a series of the change
  AlignedBuffer<double> edges, loops, value;
  AlignedBuffer<double> edges_change, loops_change, value_change;
  AlignedBuffer<double> rows, turned, pair_loops, turned_loops;

  double* edge(std::size_t j, std::size_t k) { return edges.data() + (j * legs + k) * length * kLanes; }
  double* edge_change(std::size_t j, std::size_t k) { return edges_change.data() + (j * legs + k) * size * kLanes; }
  std::size_t first(std::size_t j) const { return j < diagonal ? j + 1 : j; }
};

// One thread's way through the branches.
class Sieve {
 public:
  Sieve(const KernelSet& kernels, const PairedLegs& legs) : kernels_(kernels), repeats_(legs.repeats) {
    const std::size_t pairs = repeats_.size();
    has_loops_ = legs.loops != nullptr;
    const std::size_t first_repeated = static_cast<std::size_t>(
        std::find_if(repeats_.begin(), repeats_.end(), [](std::size_t r) { return r > 1; }) - repeats_.begin());
    const auto series = [](std::size_t count, std::size_t length) {
      return AlignedBuffer<double>::zeros(count * length * kLanes);
    };
    std::size_t length = 1;
    for (std::size_t at = 0; at <= pairs; ++at) {
      Level level;
      level.legs = 2 * (pairs - at);
      level.length = length;
      level.repeats = at < pairs ? repeats_[at] : 0;
      level.diagonal = first_repeated >= at ? std::min(level.legs, 2 * (first_repeated - at)) : 0;
      level.size = length - 1 + level.repeats;
      level.edges = series(level.legs * level.legs, length);
      level.value = series(1, length);
      level.edges_change = series(level.legs * level.legs, level.size);
      level.value_change = series(1, level.size);
      level.rows = series(2 * level.legs, level.size);
      if (level.repeats > 1) level.turned = series(2 * level.legs, level.size);
      if (has_loops_) {
        level.loops = series(level.legs, length);
        level.loops_change = series(level.legs, level.size);
        level.pair_loops = series(2, level.size);
        level.turned_loops = series(2, level.size);
      }
      levels_.push_back(std::move(level));
      length += repeats_[std::min(at, pairs - 1)];
    }
    for (AlignedBuffer<double>& scratch : scratch_) scratch = series(1, levels_.back().length);
    Level& top = levels_.front();
    for (std::size_t i = 0; i < top.legs * top.legs; ++i)
      std::fill_n(top.edges.data() + i * kLanes, kLanes, legs.edges[i]);
    for (std::size_t i = 0; has_loops_ && i < top.legs; ++i) {
      std::fill_n(top.loops.data() + i * kLanes, kLanes, legs.loops[i]);
    }
    std::fill_n(top.value.data(), kLanes, 1.0);
  }

  // The sums over the branches of all pairs from nodes.size() on, with x as given for those before.
  Lanes below(const std::vector<Lanes>& nodes, const Control& control) {
    for (std::size_t p = 0; p < nodes.size(); ++p) {
      prepare(p, nodes[p]);
      apply(p, nodes[p]);
    }
    return sum(nodes.size(), control);
  }

 private:
  Lanes sum(std::size_t at, const Control& control) {
    const std::size_t pairs = repeats_.size();
    if (at == pairs) {
      Lanes value;
      const Level& level = levels_[at];
      std::copy_n(level.value.data() + (level.length - 1) * kLanes, kLanes, value.at);
      return value;
    }
    const std::size_t r = repeats_[at];
    if (at + 1 == pairs && r == 1) return last_pair(levels_[at]);
    if (pairs - at >= kPollAbove) control.throw_if_aborted();
    Lanes total = Lanes::splat(0);
    for (std::size_t nu = 0; nu < branches(r, at); ++nu) {
      const Lanes x = Lanes::splat(node(r, nu));
      if (r > 1 || nu == 0) prepare(at, x);
      apply(at, x);
      const Lanes value = sum(at + 1, control);
      const double factor = weight(r, nu, at);
      for (std::size_t l = 0; l < kLanes; ++l) total.at[l] += factor * value.at[l];
    }
    return total;
  }
  // An abort is looked for at nodes with so many pairs left: often, but not at the many nodes near the leaves.
  static constexpr std::size_t kPollAbove = 3;

  // For one last pair that is taken once: the coefficient of z^R in F · z(q + l_0 l_1), without any difference.
  Lanes last_pair(Level& level) {
    const std::size_t length = level.length;
    double* pair = scratch_[0].data();
    std::copy_n(level.edge(0, 1), length * kLanes, pair);
    if (has_loops_) {
      double* both = scratch_[1].data();
      kernels_.series_products(length, level.loops.data(), level.loops.data() + length * kLanes, nullptr, nullptr,
                               both);
      for (std::size_t i = 0; i < length * kLanes; ++i) pair[i] += both[i];
    }
    Lanes total = Lanes::splat(0);
    for (std::size_t i = 0; i < length; ++i) {
      add_product(total.at, 1, level.value.data() + i * kLanes, pair + (length - 1 - i) * kLanes);
    }
    return total;
  }

  // The change at level `at`: per unit of x for a pair taken once, at x for one taken several times.
  void prepare(std::size_t at, const Lanes& x) {
    Level& level = levels_[at];
    gather_rows(level);
    if (level.repeats == 1) {
      prepare_once(level);
    } else {
      prepare_repeated(level, x);
    }
  }

  // W = x z (0 1; 1 0), F' = F (1 + x z (q + l_0 l_1)).
  void prepare_once(Level& level) {
    const std::size_t stride = level.length * kLanes;
    const double* row1 = level.rows.data() + level.legs * stride;
    change_entries(level, row1, level.rows.data(), has_loops_ ? level.pair_loops.data() + stride : nullptr,
                   has_loops_ ? level.pair_loops.data() : nullptr);
    // F q + (F l_0) l_1
    const double* q = level.edge(0, 1);
    if (has_loops_) {
      double* first = scratch_[0].data();
      kernels_.series_products(level.length, level.value.data(), level.pair_loops.data(), nullptr, nullptr, first);
      kernels_.series_products(level.length, level.value.data(), q, first, level.pair_loops.data() + stride,
                               level.value_change.data());
    } else {
      kernels_.series_products(level.length, level.value.data(), q, nullptr, nullptr, level.value_change.data());
    }
  }

  void prepare_repeated(Level& level, const Lanes& x) {
    const std::size_t size = level.size, stride = size * kLanes, legs = level.legs;
    const double *p = level.rows.data(), *q = p + stride, *s = p + (legs + 1) * stride;  // padded to `size`
    auto [u, delta, inverse, logarithm, factor, w00, w01, w11] = scratch_pointers();
    // Δ = det(1 − K B) = (1 − xz q)² − x²z² p s and its inverse, up to z^size.
    std::fill_n(u, kLanes, 1.0);
    for (std::size_t i = 0; i < stride; ++i) u[kLanes + i] = -x.at[i % kLanes] * q[i];
    kernels_.series_products(size + 1, u, u, nullptr, nullptr, delta);
    for (std::size_t i = 2; i <= size; ++i) {
      for (std::size_t j = 0; j + 2 <= i; ++j) {
        const double *a = p + j * kLanes, *b = s + (i - 2 - j) * kLanes;
        for (std::size_t l = 0; l < kLanes; ++l) delta[i * kLanes + l] -= x.at[l] * x.at[l] * a[l] * b[l];
      }
    }
    std::fill_n(inverse, kLanes, 1.0);
    for (std::size_t i = 1; i <= size; ++i) {
      double* to = inverse + i * kLanes;
      std::fill_n(to, kLanes, 0.0);
      for (std::size_t j = 1; j <= i; ++j) add_product(to, -1, delta + j * kLanes, inverse + (i - j) * kLanes);
    }
    // W = xz/Δ · (xz s, 1 − xz q; 1 − xz q, xz p); its common factor z is left out, as in the change.
    std::fill_n(w00, stride, 0.0);
    std::fill_n(w11, stride, 0.0);
    kernels_.series_products(size, u, inverse, nullptr, nullptr, w01);
    for (std::size_t i = 1; i < size; ++i) {
      for (std::size_t j = 1; j <= i; ++j) {
        add_product(w00 + i * kLanes, 1, s + (j - 1) * kLanes, inverse + (i - j) * kLanes);
        add_product(w11 + i * kLanes, 1, p + (j - 1) * kLanes, inverse + (i - j) * kLanes);
      }
    }
    for (std::size_t i = 0; i < stride; ++i) {
      const double factor_x = x.at[i % kLanes];
      w00[i] *= factor_x * factor_x;
      w11[i] *= factor_x * factor_x;
      w01[i] *= factor_x;
    }
    // C++17 captures no structured bindings, though GCC does.
    const auto turn = [this, size, w00 = w00, w01 = w01, w11 = w11](const double* b0, const double* b1, double* t0,
                                                                    double* t1) {
      kernels_.series_products(size, w00, b0, w01, b1, t0);
      kernels_.series_products(size, w01, b0, w11, b1, t1);
    };
    double* turned = level.turned.data();
    for (std::size_t k = 2; k < legs; ++k) {
      const std::size_t b0 = k * stride, b1 = (legs + k) * stride;
      turn(level.rows.data() + b0, level.rows.data() + b1, turned + b0, turned + b1);
    }
    double *l0 = nullptr, *l1 = nullptr;
    if (has_loops_) {
      l0 = level.turned_loops.data();
      l1 = l0 + stride;
      turn(level.pair_loops.data(), level.pair_loops.data() + stride, l0, l1);
    }
    change_entries(level, turned, turned + legs * stride, l0, l1);

    // i times the coefficients of log(F'/F) = −½ log Δ + ½ lᵀ W l, then of F'/F by k f_k = Σ i·log_i f_{k−i}.
    for (std::size_t i = 1; i <= size; ++i) {
      double* to = logarithm + i * kLanes;
      std::fill_n(to, kLanes, 0.0);
      for (std::size_t j = 1; j <= i; ++j) {
        add_product(to, -0.5 * static_cast<double>(j), delta + j * kLanes, inverse + (i - j) * kLanes);
      }
      for (std::size_t j = 0; has_loops_ && j < i; ++j) {
        const double half = 0.5 * static_cast<double>(i);
        const double* loops = level.pair_loops.data() + j * kLanes;
        add_product(to, half, loops, l0 + (i - 1 - j) * kLanes);
        add_product(to, half, loops + stride, l1 + (i - 1 - j) * kLanes);
      }
    }
    std::fill_n(factor, kLanes, 1.0);
    for (std::size_t k = 1; k <= size; ++k) {
      double *to = factor + k * kLanes, *change = level.value_change.data() + (k - 1) * kLanes;
      std::fill_n(to, kLanes, 0.0);
      for (std::size_t i = 1; i <= k; ++i) {
        add_product(to, 1 / static_cast<double>(k), logarithm + i * kLanes, factor + (k - i) * kLanes);
      }
      std::fill_n(change, kLanes, 0.0);
      for (std::size_t i = 0; i < std::min(k, level.length); ++i) {
        add_product(change, 1, level.value.data() + i * kLanes, factor + (k - i) * kLanes);
      }
    }
  }

  // Rows and loops of the pair's legs as series of the length of the change, the new coefficients zero.
  void gather_rows(Level& level) {
    const std::size_t length = level.length * kLanes, size = level.size * kLanes, copied = std::min(length, size);
    for (std::size_t k = 0; k < 2 * level.legs; ++k) {
      std::copy_n(level.edges.data() + k * length, copied, level.rows.data() + k * size);
    }
    for (std::size_t k = 0; has_loops_ && k < 2; ++k) {
      std::copy_n(level.loops.data() + k * length, copied, level.pair_loops.data() + k * size);
    }
  }

  // change = b_jᵀ (W b)_k for all legs j ≤ k left, and b_jᵀ (W l).
  void change_entries(Level& level, const double* w0, const double* w1, const double* l0, const double* l1) {
    const std::size_t stride = level.size * kLanes;
    for (std::size_t j = 2; j < level.legs; ++j) {
      const double *row0 = level.rows.data() + j * stride, *row1 = row0 + level.legs * stride;
      for (std::size_t k = level.first(j); k < level.legs; ++k) {
        kernels_.series_products(level.size, row0, w0 + k * stride, row1, w1 + k * stride, level.edge_change(j, k));
      }
      if (has_loops_) kernels_.series_products(level.size, row0, l0, row1, l1, level.loops_change.data() + j * stride);
    }
  }

  // The next level is this one plus z times its change, times x for a pair taken once.
  void apply(std::size_t at, const Lanes& x) {
    Level &from = levels_[at], &to = levels_[at + 1];
    const Lanes factor = from.repeats == 1 ? x : Lanes::splat(1);
    const auto add = [&](const double* series, const double* change, double* target) {
      const std::size_t old = from.length * kLanes, all = to.length * kLanes;
      std::copy_n(series, old, target);
      std::fill(target + old, target + all, 0.0);
      for (std::size_t i = kLanes; i < all; i += kLanes) {
        for (std::size_t l = 0; l < kLanes; ++l) target[i + l] += factor.at[l] * change[i - kLanes + l];
      }
    };
    for (std::size_t j = 2; j < from.legs; ++j) {
      for (std::size_t k = from.first(j); k < from.legs; ++k) {
        add(from.edge(j, k), from.edge_change(j, k), to.edge(j - 2, k - 2));
      }
      if (!has_loops_) continue;
      add(from.loops.data() + j * from.length * kLanes, from.loops_change.data() + j * from.size * kLanes,
          to.loops.data() + (j - 2) * to.length * kLanes);
    }
    add(from.value.data(), from.value_change.data(), to.value.data());
  }

  struct Pointers {
    double *u, *delta, *inverse, *logarithm, *factor, *w00, *w01, *w11;
  };
  Pointers scratch_pointers() {
    AlignedBuffer<double>* s = scratch_;
    return {s[0].data(), s[1].data(), s[2].data(), s[3].data(), s[4].data(), s[5].data(), s[6].data(), s[7].data()};
  }

  const KernelSet& kernels_;
  const std::vector<std::size_t>& repeats_;
  bool has_loops_;
  std::vector<Level> levels_;
  AlignedBuffer<double> scratch_[8];
};

// The branches over the first pairs, numbered.
struct Prefixes {
  const std::vector<std::size_t>& repeats;
  std::size_t split = 0, count = 1;

  explicit Prefixes(const std::vector<std::size_t>& repeats) : repeats(repeats) {
    while (split + 1 < repeats.size() && count < kLeastPrefixes) {
      count *= branches(repeats[split], split);
      ++split;
    }
  }

  // x of each pair in prefix `index`, into one lane; returns the prefix's weight.
  double place(std::size_t index, std::size_t lane, std::vector<Lanes>& nodes) const {
    double product = 1;
    for (std::size_t p = split; p-- > 0;) {
      const std::size_t choices = branches(repeats[p], p), nu = index % choices;
      nodes[p].at[lane] = node(repeats[p], nu);
      product *= weight(repeats[p], nu, p);
      index /= choices;
    }
    return product;
  }
};

// A sum with the rounding errors of its additions carried along (Neumaier).
double compensated_sum(const std::vector<double>& terms) {
  double total = 0, rest = 0;
  for (double term : terms) {
    const double sum = total + term;
    rest += std::abs(total) >= std::abs(term) ? total - sum + term : term - sum + total;
    total = sum;
  }
  return total + rest;
}

}  // namespace

double loop_hafnian(const Context& context, const PairedLegs& legs) {
  if (legs.repeats.empty()) return 1;
  const Prefixes prefixes(legs.repeats);
  const std::size_t groups = (prefixes.count + kLanes - 1) / kLanes;
  context.control.expect(groups);
  std::vector<double> terms(prefixes.count);
  // Groups are dealt out in chunks, so that a thread's sieve serves several; the terms do not depend on it.
  const std::size_t chunks = std::min<std::size_t>(groups, 4 * std::size_t{context.threads});
  context.parallel_for(chunks, [&](std::size_t chunk) {
    Sieve sieve(context.kernels, legs);
    std::vector<Lanes> nodes(prefixes.split);
    for (std::size_t group = chunk; group < groups; group += chunks) {
      context.control.throw_if_aborted();
      double weights[kLanes];
      const std::size_t begin = group * kLanes, lanes = std::min(kLanes, prefixes.count - begin);
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        // Lanes to spare repeat the last prefix.
        weights[lane] = prefixes.place(begin + std::min(lane, lanes - 1), lane, nodes);
      }
      const Lanes values = sieve.below(nodes, context.control);
      for (std::size_t lane = 0; lane < lanes; ++lane) terms[begin + lane] = weights[lane] * values.at[lane];
      context.control.advance(1);
    }
  });
  return compensated_sum(terms);
}

}  // namespace tensim
