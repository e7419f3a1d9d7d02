#include "hidden_pair.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "../core/assert.h"
#include "../core/scratch.h"
#include "hidden_kernel.h"

namespace tensim {
namespace {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

// So few terms are not worth a look at which entries ask for them.
constexpr std::size_t kFewTerms = 24;
// Steps of a product that a cache line is fetched in, and its bytes (gemm/kernels.h).
constexpr std::size_t kFetchSteps = 4, kLine = 64;
// The turn of a product that fetches nothing.
constexpr std::size_t kNoTurn = std::numeric_limits<std::size_t>::max();
// No entry below is worth a place on the list.
constexpr double kNeverListed = 0.25;
// Steps of the inputs at a time: a column panel of each side then stays in the second cache.
template <class T>
std::size_t most_steps(std::size_t columns) {
  static const CacheSizes caches = cache_sizes();
  return std::max<std::size_t>(256, caches.l2 / (8 * columns * sizeof(T)));
}

}  // namespace

// Products of the row panels of a part with one column panel, and what they add to.
template <class T>
struct HiddenPair<T>::Block {
  std::size_t first, count;  // row panels
  std::size_t column;
  std::size_t area;  // of a tile
  Scratch<T> rho, kappa, kappa_prime, nu, weights, values;
  Scratch<double> degrees, slices;  // in vectors
  AlignedBuffer<T> zeros;           // a tile, or a row of coefficients that are zero
};

template <class T>
struct HiddenPair<T>::Tile {
  std::size_t row_unit, column_unit;
  T *rho, *kappa, *kappa_prime, *nu;
  T *weights, *values;
  const double *row_tails, *column_tails;
  double log_rho = 0;
  std::size_t terms = 2;
  std::vector<Entry> listed;
};

template <class T>
HiddenPair<T>::HiddenPair(const Context& context, const PreparedHidden<T>& a, const PreparedHidden<T>& b, bool degrees)
    : context_(context),
      kernels_(context.kernels.of<T>()),
      a_(a),
      b_(b),
      same_(&a == &b),
      degrees_(degrees),
      gated_(a.gated || b.gated),
      stepped_(a.stepped || b.stepped),
      panels_(a.panels()),
      most_(std::min(a.terms, b.terms)),
      scale_(std::inner_product(a.scales.begin(), a.scales.end(), b.scales.begin(), 0.0)),
      listed_cost_(closed_cost(a, b)) {
  TENSIM_ASSERT(a.inputs == b.inputs && a.outputs == b.outputs);
}

template <class T>
std::size_t HiddenPair<T>::parts() const {
  return b_.hidden == 0 ? 0 : ceil_div(a_.rows.panels, panels_);
}

template <class T>
std::uint64_t HiddenPair<T>::flops(std::size_t part) const {
  const std::size_t width = panels_ * a_.rows.width, first = part * width;
  const std::size_t units = std::min(width, a_.hidden - first);
  const std::size_t products = (a_.gated ? 2 : 1) * (b_.gated ? 2 : 1);
  const std::size_t others = same_ ? b_.hidden - first : b_.hidden;
  return 2 * units * others * (products * a_.inputs + (degrees_ ? 2 : 1) * a_.outputs + (gated_ ? 8 : 2) * kFewTerms);
}

// Whether the series reach there at all by this bound, and its logarithm without the shares of the panels.
//
//   hidden           |ρ|^{N+1} T T'
//   gated            |ρ|^{N−1} T T' with T of |p_n| + ‖U⊥‖ √n |q_(n−1)|
//   gated by a step  (N+1) |ρ|^{N−1} T T' with T of |p_n| + ‖U⊥‖ |q_(n−1)|, where n |ρ|^n falls from N on
template <class T>
double HiddenPair<T>::log_bound(double log_rho, std::size_t terms, const double* a, const double* b) const {
  const auto n = static_cast<double>(terms);
  const double tails = a[terms - 2] + b[terms - 2];
  if (!gated_) return (n + 1) * log_rho + tails;
  if (!stepped_) return (n - 1) * log_rho + tails;
  if (-log_rho * (n + 1) < 1) return std::numeric_limits<double>::infinity();
  return (n - 1) * log_rho + tails + std::log(n + 1);
}

template <class T>
bool HiddenPair<T>::enough(double log_rho, std::size_t terms, const double* a, const double* b) const {
  return log_bound(log_rho, terms, a, b) <= std::log(kSeriesTolerance<T>);
}

// The fewest terms that are enough, or one more than there are.
template <class T>
std::size_t HiddenPair<T>::terms_for(double log_rho, const double* a, const double* b) const {
  if (!enough(log_rho, most_, a, b)) return most_ + 1;
  std::size_t low = 2, high = most_;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (enough(log_rho, middle, a, b)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return high;
}

// How many terms the tile is summed to, and which entries are listed instead: whatever takes least.
template <class T>
void HiddenPair<T>::choose(Tile& tile, double largest) const {
  const auto terms_at = [&](double rho) {
    return terms_for(std::log(std::min(rho, 1.0)), tile.row_tails, tile.column_tails);
  };
  std::size_t best = terms_at(largest), taken = 0;
  double rest = largest;
  if (best > kFewTerms) {
    const std::size_t area = a_.rows.width * b_.columns.width;
    for (std::size_t at = 0; at < area; ++at) {
      const double size = std::abs(static_cast<double>(tile.rho[at]));
      if (size > kNeverListed) tile.listed.push_back({size, at});
    }
    std::sort(tile.listed.begin(), tile.listed.end(),
              [](const Entry& x, const Entry& y) { return x.size > y.size || (x.size == y.size && x.at < y.at); });
    double least = best > most_ ? std::numeric_limits<double>::infinity() : static_cast<double>(best);
    for (std::size_t count = 1; count <= tile.listed.size(); ++count) {
      const double listing = static_cast<double>(count) * listed_cost_;
      if (listing >= least) break;
      const double next = count < tile.listed.size() ? tile.listed[count].size : kNeverListed;
      const std::size_t terms = terms_at(next);
      const bool last = count == tile.listed.size();
      if ((terms > most_ && !last) || listing + static_cast<double>(terms) >= least) continue;
      least = listing + static_cast<double>(terms);
      best = terms;
      taken = count;
      rest = next;
    }
    tile.listed.resize(taken);
  }
  tile.terms = std::min(best, most_);
  tile.log_rho = std::log(std::min(rest, 1.0));
  for (const Entry& entry : tile.listed) {
    for (T* products : {tile.kappa, tile.kappa_prime, tile.nu}) {
      if (products != nullptr) products[entry.at] = T(0);
    }
  }
}

template <class T>
void HiddenPair<T>::take_listed(Tile& tile, HiddenProducts& sums) const {
  const std::size_t nr = b_.columns.width;
  for (const Entry& entry : tile.listed) {
    context_.control.throw_if_aborted();
    const std::size_t i = tile.row_unit + entry.at / nr, j = tile.column_unit + entry.at % nr;
    const bool negative = tile.rho[entry.at] < 0;
    tile.rho[entry.at] = T(0);
    if (i >= a_.hidden || j >= b_.hidden) continue;
    const UnitCovariance covariance =
        same_ && i == j ? own_covariance(a_.units[i]) : closed_kernel(a_, b_, i, j, negative);
    const double times = same_ && i != j ? 2 : 1;
    if (degrees_) {
      const double weight = times * static_cast<double>(tile.weights[entry.at]);
      sums.quadratic += weight * covariance.quadratic;
      sums.higher += weight * covariance.higher;
    }
    for (std::size_t c = 0; c < sums.slices.size(); ++c) {
      const double down = packed_row(a_.rows.down, a_.rows.width, a_.outputs, i)[c],
                   other = packed_row(b_.columns.down, b_.columns.width, a_.outputs, j)[c];
      sums.slices[c] += times * down * other * covariance.all;
    }
  }
}

// The products of the first `count` row panels. While they are taken, the next column panel comes in from memory.
template <class T>
void HiddenPair<T>::multiply(Block& block, std::size_t count) const {
  const auto mr = static_cast<std::size_t>(kernels_.mr), nr = static_cast<std::size_t>(kernels_.nr);
  const std::size_t depth = a_.inputs, most = most_steps<T>(nr);
  const std::size_t steps = depth == 0 ? 1 : ceil_div(depth, ceil_div(depth, most));
  const auto product = [&](const AlignedBuffer<T>& rows, const AlignedBuffer<T>& columns, std::size_t length,
                           std::size_t first, std::size_t taken, std::size_t p, Scratch<T>& to, std::size_t turn) {
    const T* panel = columns.data() + (block.column * length + first) * nr;
    // Row panels fetch one after the other, and in the second turn go on where the first has ended.
    const std::size_t fetched = (turn * count + p) * (taken / kFetchSteps) * (kLine / sizeof(T));
    const bool wanted = turn != kNoTurn && block.column + 1 < b_.columns.panels && fetched < taken * nr;
    kernels_.tile(taken, rows.data() + ((block.first + p) * length + first) * mr, panel, to.data() + p * block.area,
                  first == 0, wanted ? panel + length * nr + fetched : nullptr);
  };
  for (std::size_t k = 0; k < depth || k == 0; k += steps) {
    context_.control.throw_if_aborted();
    const std::size_t taken = std::min(steps, depth - k);
    for (std::size_t p = 0; p < count; ++p) {
      const HiddenSide<T>&own = a_.rows, &other = b_.columns;
      product(own.directions, other.directions, depth, k, taken, p, block.rho, 0);
      if (a_.gated) product(own.across, other.directions, depth, k, taken, p, block.kappa, 1);
      if (b_.gated) product(own.directions, other.across, depth, k, taken, p, block.kappa_prime, 0);
      if (a_.gated && b_.gated) product(own.across, other.across, depth, k, taken, p, block.nu, 1);
    }
  }
  for (std::size_t k = 0; degrees_ && (k < a_.outputs || k == 0); k += most) {
    const std::size_t taken = std::min(most, a_.outputs - k);
    for (std::size_t p = 0; p < count; ++p) {
      product(a_.rows.down, b_.columns.down, a_.outputs, k, taken, p, block.weights, kNoTurn);
    }
  }
}

// Σ_ij D_ci K_ij D'_cj of the first `count` row panels, for every output.
template <class T>
void HiddenPair<T>::weigh(Block& block, std::size_t count) const {
  const auto mr = static_cast<std::size_t>(kernels_.mr), nr = static_cast<std::size_t>(kernels_.nr),
             lanes = static_cast<std::size_t>(kernels_.lanes);
  const std::size_t outputs = a_.outputs, first = block.first * mr, units = std::min(count * mr, a_.hidden - first),
                    all = std::min(block.count * mr, a_.hidden - first), panels = ceil_div(outputs, mr);
  const T* down = b_.columns.down.data() + block.column * outputs * nr;
  const T* next = block.column + 1 < b_.columns.panels ? down + outputs * nr : nullptr;
  for (std::size_t c = 0; c < outputs; c += mr) {
    kernels_.weigh(units, a_.rows.outputs.data() + first * panels * mr + c * all, block.values.data(), down + c * nr,
                   std::min(mr, outputs - c), block.slices.data() + c * lanes,
                   next == nullptr ? nullptr : next + c * nr);
  }
}

// A tile whose products are there. Of a model with itself only pairs above the diagonal are summed, and the diagonal is
// known.
template <class T>
void HiddenPair<T>::finish(Block& block, Tile& tile, HiddenProducts& sums) const {
  const std::size_t mr = a_.rows.width, nr = b_.columns.width, panel = tile.row_unit / mr;
  std::vector<Entry> diagonal;
  if (same_ && tile.row_unit + mr > tile.column_unit) {
    for (std::size_t i = 0; i < mr; ++i) {
      for (std::size_t j = 0; j < nr; ++j) {
        const std::size_t at = i * nr + j, row = tile.row_unit + i, column = tile.column_unit + j;
        if (row < column) continue;
        if (row == column && row < a_.hidden) diagonal.push_back({1, at});
        for (T* products : {tile.rho, tile.kappa, tile.kappa_prime, tile.nu}) {
          if (products != nullptr) products[at] = T(0);
        }
      }
    }
  }
  choose(tile, static_cast<double>(kernels_.largest(tile.rho)));
  const double bound = std::exp(log_bound(tile.log_rho, tile.terms, tile.row_tails, tile.column_tails)) *
                       a_.rows.shares[panel] * b_.columns.shares[block.column] * scale_;
  sums.bound += same_ ? 2 * bound : bound;
  tile.listed.insert(tile.listed.end(), diagonal.begin(), diagonal.end());
  take_listed(tile, sums);

  const T* zeros = block.zeros.data();
  const auto side = [&](const HiddenSide<T>& units, std::size_t terms, std::size_t at) -> HermiteSide<T> {
    const std::size_t start = at * units.width * (terms - 1);
    if (units.q.empty()) return {units.p.data() + start, zeros, 0};
    return {units.p.data() + start, units.q.data() + start, static_cast<std::ptrdiff_t>(units.width)};
  };
  const auto or_zero = [&](const T* products) { return products == nullptr ? zeros : products; };
  const HermiteTile<T> task{tile.rho,
                            or_zero(tile.kappa),
                            or_zero(tile.kappa_prime),
                            or_zero(tile.nu),
                            side(a_.rows, a_.terms, panel),
                            side(b_.columns, b_.terms, block.column),
                            tile.terms,
                            tile.values,
                            tile.weights,
                            block.degrees.data()};
  (gated_ ? kernels_.gated : kernels_.hidden)(task);
}

template <class T>
HiddenProducts HiddenPair<T>::run(std::size_t part) const {
  const std::size_t mr = a_.rows.width, nr = b_.columns.width, area = mr * nr, outputs = a_.outputs;
  const auto lanes = static_cast<std::size_t>(kernels_.lanes);
  HiddenProducts sums;
  sums.slices.assign(outputs, 0.0);
  Block block;
  block.area = area;
  block.first = part * panels_;
  block.count = std::min(panels_, a_.rows.panels - block.first);
  const auto tiles = [&](bool wanted) { return Scratch<T>(wanted ? block.count * area : 0); };
  block.rho = tiles(true);
  block.kappa = tiles(a_.gated);
  block.kappa_prime = tiles(b_.gated);
  block.nu = tiles(a_.gated && b_.gated);
  block.weights = tiles(degrees_);
  block.values = tiles(true);
  block.zeros = AlignedBuffer<T>::zeros(area);
  const auto vectors = [&](std::size_t count) {
    Scratch<double> made(count * lanes);
    std::fill(made.data(), made.data() + count * lanes, 0.0);
    return made;
  };
  block.degrees = vectors(2);
  block.slices = vectors(outputs);
  for (std::size_t column = same_ ? block.first * mr / nr : 0; column < b_.columns.panels; ++column) {
    block.column = column;
    // Of a model with itself, the panels that begin above the diagonal.
    const std::size_t above = ceil_div((column + 1) * nr, mr) - block.first;
    const std::size_t count = same_ ? std::min(block.count, above) : block.count;
    multiply(block, count);
    for (std::size_t p = 0; p < count; ++p) {
      const std::size_t panel = block.first + p;
      const auto at = [&](Scratch<T>& products) { return products.size() == 0 ? nullptr : products.data() + p * area; };
      Tile tile{panel * mr,
                column * nr,
                at(block.rho),
                at(block.kappa),
                at(block.kappa_prime),
                at(block.nu),
                at(block.weights),
                at(block.values),
                a_.rows.tails.data() + panel * (a_.terms - 1),
                b_.columns.tails.data() + column * (b_.terms - 1),
                0,
                2,
                {}};
      finish(block, tile, sums);
    }
    weigh(block, count);
  }
  const double times = same_ ? 2 : 1;  // those below the diagonal
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    sums.quadratic += times * block.degrees.data()[lane];
    sums.higher += times * block.degrees.data()[lanes + lane];
  }
  for (std::size_t at = 0; at < outputs * lanes; ++at) sums.slices[at / lanes] += times * block.slices.data()[at];
  return sums;
}

template <class T>
HiddenProducts HiddenPair<T>::sum(const HiddenProducts* parts, std::size_t count) {
  HiddenProducts all;
  for (std::size_t part = 0; part < count; ++part) {
    const HiddenProducts& one = parts[part];
    all.quadratic += one.quadratic;
    all.higher += one.higher;
    all.bound += one.bound;
    all.slices.resize(one.slices.size());
    for (std::size_t c = 0; c < one.slices.size(); ++c) all.slices[c] += one.slices[c];
  }
  return all;
}

template <class T>
HiddenProducts hidden_products(const Context& context, const PreparedHidden<T>& a, const PreparedHidden<T>& b,
                               bool degrees) {
  const HiddenPair<T> pair(context, a, b, degrees);
  std::vector<HiddenProducts> parts(pair.parts());
  context.parallel_for(parts.size(), [&](std::size_t part) { parts[part] = pair.run(part); });
  return HiddenPair<T>::sum(parts.data(), parts.size());
}

template class HiddenPair<double>;
template class HiddenPair<float>;
template HiddenProducts hidden_products<double>(const Context&, const PreparedHidden<double>&,
                                                const PreparedHidden<double>&, bool);
template HiddenProducts hidden_products<float>(const Context&, const PreparedHidden<float>&,
                                               const PreparedHidden<float>&, bool);

}  // namespace tensim
