#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/cpu_features.h"

namespace tensim {

// The innermost loops, one set per instruction set and element type T, chosen once at start. They know nothing of
// models, threads or strides: they read *panels* that packing has laid out for them.
//
//   row panel:     k-th step holds `mr` values, one per row            a[k·mr + i]
//   column panel:  k-th step holds `nr` values, one per column         b[k·nr + j]       (64-byte aligned)
//
// A micro-tile is the mr × nr block of products of one row panel with one column panel; it lives in registers.
//
// For the pair kernel (MATH.md section 3) a row panel interleaves the rows of L and R of mr/2 hidden units, and a
// column panel holds first the L then the R of nr/2 units, so that one micro-tile carries all four products of
// (mr/2) × (nr/2) pairs of units:
//
//                  | L'₀ L'₁ … | R'₀ R'₁ … |
//            L₀    |  LL LL    |  LR LR    |        K = LL ⊙ RR + LR ⊙ RL
//            R₀    |  RL RL    |  RR RR    |
//            L₁    |  …
//
// What a kernel assumes of its arguments stands above it and is asserted in debug builds (core/assert.h).
// docs/kernels.md tells how to add an instruction set.

// Where a micro-tile goes: its first `rows` ≤ mr rows and `columns` ≤ nr columns, element (i, j) to
// data[i·row_stride + j·column_stride]. column_stride = 1 with a whole tile is the fast case. With `overwrite` data is
// not read: it may be uninitialised.
template <class T>
struct TileTarget {
  T* data;
  std::ptrdiff_t row_stride, column_stride;
  int rows, columns;  // at least 1
  bool overwrite;
};

// Part of one row of Σ_h d_h (L_h R_hᵀ + R_h L_hᵀ), for several outputs c < outputs ≤ 2·mr at once
// (gaussian/dense_form.h):
//
//   out[c·out.row + j] = Σ_h down[h·down.step + c] · form_h[j]
//   form_h[j] = l[h·own.step] · right[h·(nr/2) + j] + r[h·own.step] · left[h·(nr/2) + j]
//
// for j < columns ≤ nr/2. `left` and `right` are column panels of half the width that begin on a vector, l and r the
// row's own elements. Meanwhile a cache line of `ahead` is fetched per unit, unless it is null.
template <class T>
struct FormStretch {
  std::size_t units;
  struct {
    const T *l, *r;
    std::ptrdiff_t step;
  } own;
  struct {
    const T *left, *right;
  } panels;
  struct {
    const T* data;
    std::ptrdiff_t step;
  } down;
  struct {
    T* data;
    std::ptrdiff_t row;
  } out;
  int outputs, columns;  // at least 1
  const T* ahead;
};

// c[i·c.row + j] (+)= Σ_k a[i·a.row + k·a.step] b[k·b.step + j] for i < rows, j < columns, k < depth, read in place:
// nothing is packed, and the columns of b and c are contiguous. No alignment is needed.
template <class T>
struct SmallProduct {
  struct {
    const T* data;
    std::ptrdiff_t row, step;
  } a;
  struct {
    const T* data;
    std::ptrdiff_t step;
  } b;
  struct {
    T* data;
    std::ptrdiff_t row;
  } c;
  std::size_t rows, columns, depth;
  bool overwrite;
};

// What a kernel of Hermite series knows of the units along one side of a micro-tile (MATH.md sections 10 and 11): from
// degree 2 on, of every degree a value per lane. Degree n of p is at p[(n − 2)·lanes + lane], with mr or nr lanes, that
// of q at q[(n − 2)·q_step + lane]: a side whose q is zero gives a single row of zeros, and q_step = 0. Columns begin
// on a vector.
template <class T>
struct HermiteSide {
  const T* p;
  const T* q;
  std::ptrdiff_t q_step;
};

// A micro-tile of pairs of units. All that is mr × nr is contiguous and begins on a vector.
//
//   hidden   K = Σ_n p_n p'_n ρ^n
//   gated    K = Σ_n ρ^{n−2} [p_n (ρ² p'_n + ρ κ' q'_n) + q_n (ρ κ p'_n + (κ κ' + (ρ ν − κ κ')/n) q'_n)]
//
// The second is section 11 by degree, with q_n the √n-fold of its q_{n−1}.
template <class T>
struct HermiteTile {
  const T *rho, *kappa, *kappa_prime, *nu;  // mr × nr; of `hidden` rho alone
  HermiteSide<T> rows, columns;
  std::size_t terms;  // N ≥ 2: the last degree
  T* values;          // mr × nr: where K^{≥2} goes
  // What degree 2 and the higher ones contribute, if that is wanted: Σ weights · K^{2} and Σ weights · K^{≥3} are added
  // to a vector of doubles each.
  const T* weights;  // mr × nr, or null
  double* sums;
};

// What K of `units` units of rows and nr/2 of columns contributes to some outputs c < outputs ≤ 2·mr:
//
//   sums[c·lanes + …] += Σ_ij rows.data[i·rows.step + c] · values[i·(nr/2) + j] · columns[c·(nr/2) + j]
//
// The sum over i is a product in T, that over j is taken in double. values and columns begin on a vector, sums on one
// of doubles.
template <class T>
struct WeighedUnits {
  std::size_t units;
  struct {
    const T* data;
    std::ptrdiff_t step;
  } rows;
  const T* values;
  const T* columns;
  int outputs;  // at least 1
  double* sums;
};

template <class T>
struct MicroKernels {
  int mr;     // rows of a micro-tile, even
  int nr;     // columns, even
  int width;  // elements in one vector
  int lanes;  // doubles in one vector: the slots of an output's running sum in `sums` below

  // c (+)= Σ_k a[k,i] b[k,j], k < depth, for a row panel and a column panel.
  void (*gemm)(std::size_t depth, const T* a, const T* b, const TileTarget<T>& c);

  // The same where c is a whole tile of mr × nr that begins on a vector. Meanwhile a cache line of `ahead` is fetched
  // every four steps, unless it is null: panels come in from memory while others are multiplied.
  void (*tile)(std::size_t depth, const T* a, const T* b, T* c, bool overwrite, const T* ahead);

  // The four products of a micro-tile over `depth` steps, added to `partial` (mr × nr doubles, written if `overwrite`).
  // Meanwhile a cache line of `ahead` is fetched every two steps, unless it is null.
  void (*pair_partial)(std::size_t depth, const T* a, const T* b, double* partial, bool overwrite, const T* ahead);

  // The same over the last (or only) `depth` steps, plus `partial` unless that is null; then K of its units in T:
  //   values[i·(nr/2) + j] = K_ij
  // partial begins on a vector of doubles, values on one of T; `ahead` as above.
  void (*pair_values)(std::size_t depth, const T* a, const T* b, const double* partial, T* values, const T* ahead);

  void (*pair_weigh)(const WeighedUnits<T>& units);

  // Products of two micro-tiles element by element, weighted and summed over some of their rows, in double:
  //   sums[j] += Σ_i weights[i] · a[i·nr + j] · b[i·nr + j]    for i < rows, j < nr, row after row
  // a and b begin on a vector, sums on one of doubles.
  void (*weigh_products)(std::size_t rows, const double* weights, const T* a, const T* b, double* sums);

  // Products of mr vectors, read where they lie, with some of nr others, packed in a panel:
  //   sums[i·nr + j] += Σ_k rows[i][k] panel[k·pitch + j]        for j < registers·width ≤ nr, written if `overwrite`
  // Each is summed by itself, element after element, and then added in double. The panel begins on a vector, the sums
  // on one of doubles, and the pitch is a multiple of `width`.
  void (*products)(std::size_t length, const T* const* rows, const T* panel, std::size_t pitch, int registers,
                   double* sums, bool overwrite);

  void (*form)(const FormStretch<T>& stretch);

  // Arrays side by side: panel[k·pitch + i] = arrays[i][k]        for k < length, i < count ≤ width
  void (*interleave)(const T* const* arrays, int count, std::size_t length, std::size_t pitch, T* panel);

  // The largest |x| of mr × nr elements that begin on a vector.
  T (*largest)(const T* tile);
  // Hermite series of hidden and of gated units, in T.
  void (*hidden)(const HermiteTile<T>& tile);
  void (*gated)(const HermiteTile<T>& tile);
  // For each output c < outputs ≤ mr, with D of `units` units of rows and of a tile's columns:
  //   sums[c·lanes + …] += Σ_ij da[i·mr + c] · values[i·nr + j] · db[c·nr + j]
  // The sum over i is a product in T, that over j is taken in double. values, db and sums begin on a vector; `ahead` as
  // for `tile`, but a line every two steps, for there are few of them.
  void (*weigh)(std::size_t units, const T* da, const T* values, const T* db, std::size_t outputs, double* sums,
                const T* ahead);

  void (*small)(const SmallProduct<T>& product);

  // Loops over contiguous vectors; no alignment is needed. `dot` and `sum` accumulate in double.
  double (*dot)(std::size_t length, const T* a, const T* b);
  double (*sum)(std::size_t length, const T* a);
  // y = factor·x, or y += factor·x
  void (*axpy)(std::size_t length, T factor, const T* x, T* y, bool accumulate);
  // y = (a_factor·a) ⊙ (b_factor·b), or y += …
  void (*multiply)(std::size_t length, T a_factor, const T* a, T b_factor, const T* b, T* y, bool accumulate);
};

// Power series that are computed side by side: coefficient i of series s is at [i·kSeriesLanes + s].
constexpr std::size_t kSeriesLanes = 8;

struct KernelSet {
  InstructionSet instruction_set;
  MicroKernels<double> f64;
  MicroKernels<float> f32;

  // As f32.tile, of panels whose every element is a pair of bfloat16 numbers, the first in its lower half: the sum of
  // both products is added, each of them exact, with a rounding for each. What is subnormal counts as zero. Null where
  // the processor has no such instructions.
  void (*pair_tile)(std::size_t depth, const float* a, const float* b, float* c, bool overwrite, const float* ahead);

  // Multiply-adds on registers alone, the ceiling that every rate is compared with: see peak_flops_per_step. The
  // value returned only keeps the compiler from leaving the work out.
  double (*peak_f64)(std::size_t steps);
  double (*peak_f32)(std::size_t steps);

  // out = a0·b0 + a1·b1 in each lane, series of `length` coefficients, without what goes beyond; a1 may be null. All
  // begin on a cache line, and out is none of the others.
  void (*series_products)(std::size_t length, const double* a0, const double* b0, const double* a1, const double* b1,
                          double* out);

  // Pairs 0 … count−1 of independent standard normal numbers that belong to a sample of a stream: pair p is (x[p],
  // y[p]), the same on every instruction set to the bit.
  void (*normal_pairs)(std::size_t count, std::uint32_t sample, std::uint32_t key0, std::uint32_t key1, double* x,
                       double* y);

  template <class T>
  const MicroKernels<T>& of() const;
};
template <>
inline const MicroKernels<double>& KernelSet::of<double>() const {
  return f64;
}
template <>
inline const MicroKernels<float>& KernelSet::of<float>() const {
  return f32;
}

const KernelSet& baseline_kernels();
#if defined(TENSIM_HAVE_AVX2)
const KernelSet& avx2_kernels();
#endif
#if defined(TENSIM_HAVE_AVX512)
const KernelSet& avx512_kernels();
#endif
#if defined(TENSIM_HAVE_AVX512_BF16)
// `pair_tile` of AVX-512.
void avx512_pair_tile(std::size_t depth, const float* a, const float* b, float* c, bool overwrite, const float* ahead);
#endif
#if defined(TENSIM_HAVE_NEON)
const KernelSet& neon_kernels();
#endif

// The kernels of one set that `available_instruction_sets` lists.
const KernelSet& kernels_for(InstructionSet set);

// Flops per step of peak_f64 and peak_f32.
template <class T>
constexpr std::size_t peak_flops_per_step(const MicroKernels<T>& kernels) {
  return 2 * 12 * static_cast<std::size_t>(kernels.lanes) * (sizeof(double) / sizeof(T));
}

}  // namespace tensim
