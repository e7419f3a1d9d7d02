#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/aligned_buffer.h"
#include "../gemm/kernels.h"

namespace tensim {

// Ten jointly Gaussian vectors: v and the halves of the items F_1 = q1·k1, F_2 = q2·k2 of one head at one pair of
// positions, and the same of another model (primed). Items are numbered 0, 1 (ours), 2, 3 (theirs); item i has the
// halves 2i (q) and 2i + 1 (k), so that the other half of x is x ^ 1.
constexpr int kItems = 4, kHalves = 8, kV = 8, kW = 9, kVectors = 10;
constexpr bool theirs(int vector) {
  return vector == kW || (vector >= 4 && vector < kHalves);
}

// Where the moments of the ten vectors lie. A covariance block C[x][y] is a contiguous row-major (dim x, dim y) matrix,
// and null where it is zero; both C[x][y] and its transpose C[y][x] must be there. A mean is null where it is zero.
template <class T>
struct VectorSystem {
  std::array<std::array<const T*, kVectors>, kVectors> covariance{};
  std::array<const T*, kVectors> mean{};
};

// Computes Cov(v F_1 F_2, w F'_1 F'_2) by the chain recursion of MATH.md section 4, cut in the middle: a chain from v
// to w is a piece of at most two items that starts at v, a link, and a piece of at most two items that ends at w. With
//
//   D_i[x][y] = Σ_half C[x][ī] C[i][y]          from x through item i to y
//
// pieces, links and the cycles of the scalar cumulants are all made of D and C. What is zero is never multiplied.
//
// One engine serves many systems on one thread. D blocks that no changed vector enters are kept from one system to the
// next.
template <class T>
class Chains {
 public:
  // d_head of our and of their model.
  Chains(const MicroKernels<T>& kernels, std::size_t ours, std::size_t theirs);

  // Covariances and means of the `changed` vectors (a bit each) have been replaced; others are as in the system before.
  void set(const VectorSystem<T>& system, std::uint32_t changed);

  // out += Cov(v F_1 F_2, w F'_1 F'_2), (ours, theirs) with `row_stride`.
  void add_covariance(T* out, std::size_t row_stride);

 private:
  using Subset = unsigned;
  static constexpr Subset kAll = 15, kOurs = 3, kTheirs = 12;

  std::size_t size(int vector) const { return sizes_[theirs(vector) ? 1 : 0]; }
  const T* c(int x, int y) const {
    return system_.covariance[static_cast<std::size_t>(x)][static_cast<std::size_t>(y)];
  }
  const T* through(int item, int x, int y);
  double inner(const T* a, const T* b, int x, int y);
  void multiply(int x, int y, int z, const T* a, const T* b, T* out, bool overwrite);
  void add(double factor, const T* from, int x, int y, T* out, std::size_t row_stride);

  double cycle(Subset items);
  double path(Subset items) const;
  void find_moments();
  void find_mean_chains();
  void add_between(T* out, std::size_t row_stride);
  void add_ends(T* out, std::size_t row_stride);
  T* mean_chain(Subset items, int half) {
    return mean_chains_.data() + (items * kHalves + static_cast<unsigned>(half)) * largest_;
  }

  const MicroKernels<T>& kernels_;
  const std::array<std::size_t, 2> sizes_;
  const std::size_t largest_;
  VectorSystem<T> system_;
  bool means_ = false;

  // D_i[x][y] is number (i·10 + x)·10 + y; a block gets its place the first time it is not zero.
  enum class State : std::uint8_t { kUnknown, kZero, kPresent };
  static constexpr int kMostBlocks = 80;  // to and from the ends, between them, and for the rings
  std::vector<State> states_;
  std::vector<std::int8_t> places_;
  int placed_ = 0;
  AlignedBuffer<T> blocks_;
  AlignedBuffer<T> sum_;

  std::array<double, 16> moments_{};  // Z, by subset of the items
  // Chains from a mean, by (subset, half they leave it by); V_v and V_w by subset, in rows.
  std::array<std::array<bool, kHalves>, 16> mean_present_{};
  AlignedBuffer<T> mean_chains_, v_ends_, w_ends_, weighted_;
};

}  // namespace tensim
