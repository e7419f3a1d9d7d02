#include "chains.h"

#include <algorithm>

namespace tensim {
namespace {

constexpr int half(int item, int which) {
  return 2 * item + which;
}
constexpr int other(int half) {
  return half ^ 1;
}
constexpr bool contains(unsigned items, int item) {
  return (items >> item & 1) != 0;
}
constexpr unsigned only(int item) {
  return 1u << item;
}
constexpr int lowest(unsigned items) {
  int item = 0;
  while (!contains(items, item)) ++item;
  return item;
}
constexpr std::size_t number_of(int item, int x, int y) {
  return static_cast<std::size_t>((item * kVectors + x) * kVectors + y);
}

}  // namespace

template <class T>
Chains<T>::Chains(const MicroKernels<T>& kernels, std::size_t ours, std::size_t theirs)
    : kernels_(kernels),
      sizes_{ours, theirs},
      largest_(std::max(ours, theirs)),
      states_(kItems * kVectors * kVectors, State::kUnknown),
      places_(kItems * kVectors * kVectors, -1),
      blocks_(kMostBlocks * largest_ * largest_),
      sum_(largest_ * largest_) {}

template <class T>
void Chains<T>::set(const VectorSystem<T>& system, std::uint32_t changed) {
  system_ = system;
  const auto moved = [changed](int vector) { return (changed >> vector & 1) != 0; };
  for (int item = 0; item < kItems; ++item) {
    const bool item_moved = moved(half(item, 0)) || moved(half(item, 1));
    for (int x = 0; x < kVectors; ++x) {
      for (int y = 0; y < kVectors; ++y) {
        if (item_moved || moved(x) || moved(y)) states_[number_of(item, x, y)] = State::kUnknown;
      }
    }
  }
  means_ = std::any_of(system.mean.begin(), system.mean.end(), [](const T* mean) { return mean != nullptr; });
}

// C = A·B or C += A·B for a (size x, size y) and a (size y, size z) block.
template <class T>
void Chains<T>::multiply(int x, int y, int z, const T* a, const T* b, T* out, bool overwrite) {
  const std::size_t rows = size(x), depth = size(y), columns = size(z);
  const auto row = static_cast<std::ptrdiff_t>(columns);
  kernels_.small({{a, static_cast<std::ptrdiff_t>(depth), 1}, {b, row}, {out, row}, rows, columns, depth, overwrite});
}

// D_item[x][y], null if it is zero.
template <class T>
const T* Chains<T>::through(int item, int x, int y) {
  State& state = states_[number_of(item, x, y)];
  std::int8_t& place = places_[number_of(item, x, y)];
  const auto block = [&] { return blocks_.data() + static_cast<std::size_t>(place) * largest_ * largest_; };
  if (state == State::kUnknown) {
    state = State::kZero;
    for (int enter : {half(item, 0), half(item, 1)}) {
      const T *in = c(x, enter), *out = c(other(enter), y);
      if (in == nullptr || out == nullptr) continue;
      if (place < 0) place = static_cast<std::int8_t>(placed_++);
      multiply(x, enter, y, in, out, block(), state == State::kZero);
      state = State::kPresent;
    }
  }
  return state == State::kPresent ? block() : nullptr;
}

// Σ over elements of a ⊙ b, both (size x, size y) or zero.
template <class T>
double Chains<T>::inner(const T* a, const T* b, int x, int y) {
  return a == nullptr || b == nullptr ? 0 : kernels_.dot(size(x) * size(y), a, b);
}

// The part of the joint cumulant of some items that no mean enters: every way to close them to one ring.
template <class T>
double Chains<T>::cycle(Subset items) {
  std::array<int, kItems> list{};
  std::size_t count = 0;
  for (int item = 0; item < kItems; ++item) {
    if (contains(items, item)) list[count++] = item;
  }
  // The ring through items `left` and `right` on opposite sides, with D_above and, unless it is negative, D_below
  // between them.
  const auto ring = [this](int left, int above, int right, int below) {
    double sum = 0;
    for (int x : {half(left, 0), half(left, 1)}) {
      for (int y : {half(right, 0), half(right, 1)}) {
        if (below < 0) {
          if (const T* link = c(other(x), other(y))) sum += inner(through(above, x, y), link, x, y);
        } else if (const T* upper = through(above, x, y)) {
          sum += inner(upper, through(below, other(x), other(y)), x, y);
        }
      }
    }
    return sum;
  };
  const auto [i, j, l, m] = list;
  switch (count) {
    case 1: {
      const T* block = c(half(i, 0), half(i, 1));
      double trace = 0;
      if (block != nullptr) {
        for (std::size_t k = 0; k < size(half(i, 0)); ++k)
          trace += static_cast<double>(block[k * (size(half(i, 0)) + 1)]);
      }
      return trace;
    }
    case 2: {
      const int q = half(i, 0), k = half(i, 1), q2 = half(j, 0), k2 = half(j, 1);
      return inner(c(q, q2), c(k, k2), q, q2) + inner(c(q, k2), c(k, q2), q, k2);
    }
    case 3:
      return ring(i, j, l, -1);
    default:
      return ring(i, j, l, m) + ring(i, l, j, m) + ring(i, j, m, l);
  }
}

// Every way to string some items between two means, each with its reverse.
template <class T>
double Chains<T>::path(Subset items) const {
  double sum = 0;
  for (int h = 0; h < kHalves; ++h) {
    const T* mean = system_.mean[static_cast<std::size_t>(h)];
    if (mean == nullptr || !mean_present_[items][static_cast<std::size_t>(h)]) continue;
    const T* chain = mean_chains_.data() + (items * kHalves + static_cast<unsigned>(h)) * largest_;
    sum += kernels_.dot(size(h), chain, mean);
  }
  return sum;
}

// Z(S) = E Π_S F for every subset.
template <class T>
void Chains<T>::find_moments() {
  std::array<double, 16> cumulants{};
  for (Subset items = 1; items <= kAll; ++items) cumulants[items] = cycle(items) + (means_ ? 0.5 * path(items) : 0);
  moments_[0] = 1;
  for (Subset items = 1; items <= kAll; ++items) {
    const Subset first = only(lowest(items));
    double sum = 0;
    for (Subset part = items; part != 0; part = (part - 1) & items) {
      if ((part & first) != 0) sum += cumulants[part] * moments_[items & ~part];
    }
    moments_[items] = sum;
  }
}

template <class T>
void Chains<T>::add(double factor, const T* from, int x, int y, T* out, std::size_t row_stride) {
  if (factor == 0 || from == nullptr) return;
  const std::size_t rows = size(x), columns = size(y);
  if (row_stride == columns) return kernels_.axpy(rows * columns, static_cast<T>(factor), from, out, true);
  for (std::size_t i = 0; i < rows; ++i) {
    kernels_.axpy(columns, static_cast<T>(factor), from + i * columns, out + i * row_stride, true);
  }
}

// Σ_S K(S) Z(I∖S): the chains from v to w.
template <class T>
void Chains<T>::add_between(T* out, std::size_t row_stride) {
  add(moments_[kAll], c(kV, kW), kV, kW, out, row_stride);
  for (int item = 0; item < kItems; ++item) {
    if (moments_[kAll & ~only(item)] != 0) {
      add(moments_[kAll & ~only(item)], through(item, kV, kW), kV, kW, out, row_stride);
    }
  }
  // The first item i, entered from v; x is the half by which the chain enters the second, j.
  for (int i = 0; i < kItems; ++i) {
    for (int x = 0; x < kHalves; ++x) {
      const int j = x / 2, leave = other(x);
      if (j == i) continue;
      const T* piece = through(i, kV, x);
      if (piece == nullptr) continue;
      const Subset rest = kAll & ~only(i) & ~only(j);
      const int l = lowest(rest), m = lowest(rest & ~only(l));
      // All that can follow from leaving j, with what is then left over as a factor.
      bool first = true;
      for (const auto& [near, far] : {std::pair{l, m}, std::pair{m, l}}) {
        for (int y : {half(near, 0), half(near, 1)}) {
          const T* link = c(leave, y);
          const T* end = link == nullptr ? nullptr : through(far, other(y), kW);
          if (end == nullptr) continue;
          multiply(leave, y, kW, link, end, sum_.data(), first);
          first = false;
        }
      }
      const auto append = [&](double factor, const T* block) {
        if (block == nullptr || factor == 0) return;
        kernels_.axpy(size(leave) * size(kW), static_cast<T>(factor), block, sum_.data(), !first);
        first = false;
      };
      if (moments_[only(m)] != 0) append(moments_[only(m)], through(l, leave, kW));
      if (moments_[only(l)] != 0) append(moments_[only(l)], through(m, leave, kW));
      append(moments_[rest], c(leave, kW));
      if (first) continue;
      const std::size_t rows = size(kV), depth = size(x), columns = size(kW);
      kernels_.small({{piece, static_cast<std::ptrdiff_t>(depth), 1},
                      {sum_.data(), static_cast<std::ptrdiff_t>(columns)},
                      {out, static_cast<std::ptrdiff_t>(row_stride)},
                      rows,
                      columns,
                      depth,
                      false});
    }
  }
}

// Chains from a mean through every subset of the items, and V_v, V_w: those that go on to v or w.
template <class T>
void Chains<T>::find_mean_chains() {
  if (mean_chains_.empty()) {
    mean_chains_ = AlignedBuffer<T>(16 * kHalves * largest_);
    v_ends_ = AlignedBuffer<T>(16 * size(kV));
    w_ends_ = AlignedBuffer<T>(16 * size(kW));
    weighted_ = AlignedBuffer<T>(16 * size(kW));
  }
  const auto extend = [this](const T* chain, int x, int y, const T* link, T* to, bool overwrite) {
    kernels_.small(
        {{chain, 0, 1}, {link, static_cast<std::ptrdiff_t>(size(y))}, {to, 0}, 1, size(y), size(x), overwrite});
  };
  for (Subset items = 1; items <= kAll; ++items) {
    for (int h = 0; h < kHalves; ++h) {
      const int item = h / 2, enter = other(h);
      bool& present = mean_present_[items][static_cast<std::size_t>(h)];
      present = false;
      if (!contains(items, item)) continue;
      const Subset before = items & ~only(item);
      T* chain = mean_chain(items, h);
      if (before == 0) {
        const T* mean = system_.mean[static_cast<std::size_t>(enter)];
        present = mean != nullptr;
        if (present) std::copy(mean, mean + size(enter), chain);
        continue;
      }
      for (int leave = 0; leave < kHalves; ++leave) {
        const T* link = c(leave, enter);
        if (link == nullptr || !mean_present_[before][static_cast<std::size_t>(leave)]) continue;
        extend(mean_chain(before, leave), leave, enter, link, chain, !present);
        present = true;
      }
    }
  }
  for (int end : {kV, kW}) {
    T* rows = end == kV ? v_ends_.data() : w_ends_.data();
    const std::size_t width = size(end);
    std::fill(rows, rows + 16 * width, T(0));
    if (const T* mean = system_.mean[static_cast<std::size_t>(end)]) std::copy(mean, mean + width, rows);
    for (Subset items = 1; items <= kAll; ++items) {
      for (int leave = 0; leave < kHalves; ++leave) {
        const T* link = c(leave, end);
        if (link == nullptr || !mean_present_[items][static_cast<std::size_t>(leave)]) continue;
        extend(mean_chain(items, leave), leave, end, link, rows + items * width, false);
      }
    }
  }
}

// Σ_{S,S'} V_v(S) V_w(S')ᵀ Z(I∖S∖S') without what E[v F_1 F_2] E[w F'_1 F'_2]ᵀ is made of: no difference of large
// numbers is taken.
template <class T>
void Chains<T>::add_ends(T* out, std::size_t row_stride) {
  const std::size_t rows = size(kV), columns = size(kW);
  weighted_.clear();
  for (Subset s = 0; s <= kAll; ++s) {
    const Subset left = kAll & ~s;
    for (Subset s2 = left;; s2 = (s2 - 1) & left) {
      const Subset rest = left & ~s2;
      double weight = moments_[rest];
      if ((s & kTheirs) == 0 && (s2 & kOurs) == 0) weight -= moments_[rest & kOurs] * moments_[rest & kTheirs];
      if (weight != 0) {
        kernels_.axpy(columns, static_cast<T>(weight), w_ends_.data() + s2 * columns, weighted_.data() + s * columns,
                      true);
      }
      if (s2 == 0) break;
    }
  }
  kernels_.small({{v_ends_.data(), 1, static_cast<std::ptrdiff_t>(rows)},
                  {weighted_.data(), static_cast<std::ptrdiff_t>(columns)},
                  {out, static_cast<std::ptrdiff_t>(row_stride)},
                  rows,
                  columns,
                  16,
                  false});
}

template <class T>
void Chains<T>::add_covariance(T* out, std::size_t row_stride) {
  if (means_) find_mean_chains();
  find_moments();
  add_between(out, row_stride);
  if (means_) add_ends(out, row_stride);
}

template class Chains<double>;
template class Chains<float>;

}  // namespace tensim
