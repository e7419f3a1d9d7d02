#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/context.h"
#include "hidden.h"

namespace tensim {

// The part of ‖f_c‖‖g_c‖ that series may leave out: a tenth of what results claim, for closed forms and slices that are
// scaled apart add to the error too.
template <class T>
constexpr double kSeriesTolerance = sizeof(T) == 8 ? 1e-13 : 1e-7;

// What the degrees from 2 on contribute to the inner product of two models, Σ_ij D_ci D'_cj K_ij^{≥2} for every output
// c (MATH.md sections 10 and 11), in parts of consecutive row panels of `a`. No h×h matrix leaves the caches: a
// micro-tile of correlations is multiplied, its series are summed to as many terms as the bound asks for, and entries
// near |ρ| = 1 that would ask for too many are taken in closed form or by quadrature. Numbers depend on the two models
// alone.
template <class T>
class HiddenPair {
 public:
  // `degrees`: what degree 2 and the higher ones contribute too. A model with itself takes half the work.
  HiddenPair(const Context& context, const PreparedHidden<T>& a, const PreparedHidden<T>& b, bool degrees);

  std::size_t parts() const;
  std::uint64_t flops(std::size_t part) const;
  HiddenProducts run(std::size_t part) const;
  // The parts added up in order.
  static HiddenProducts sum(const HiddenProducts* parts, std::size_t count);

 private:
  struct Block;
  struct Tile;
  struct Entry {
    double size;
    std::size_t at;
  };
  void multiply(Block& block, std::size_t count) const;
  void weigh(Block& block, std::size_t count) const;
  void finish(Block& block, Tile& tile, HiddenProducts& sums) const;
  bool enough(double log_rho, std::size_t terms, const double* a, const double* b) const;
  double log_bound(double log_rho, std::size_t terms, const double* a, const double* b) const;
  std::size_t terms_for(double log_rho, const double* a, const double* b) const;
  void choose(Tile& tile, double largest) const;
  void take_listed(Tile& tile, HiddenProducts& sums) const;

  const Context& context_;
  const MicroKernels<T>& kernels_;
  const PreparedHidden<T>&a_, &b_;
  const bool same_, degrees_, gated_, stepped_;
  const std::size_t panels_;  // rows of a part
  const std::size_t most_;    // the last degree that both have
  const double scale_;        // Σ_c of the products of the scales of the outputs
  const double listed_cost_;  // what an entry of the list takes, in terms of the series of a whole tile
};

// All parts, on the threads of the context.
template <class T>
HiddenProducts hidden_products(const Context& context, const PreparedHidden<T>& a, const PreparedHidden<T>& b,
                               bool degrees);

}  // namespace tensim
