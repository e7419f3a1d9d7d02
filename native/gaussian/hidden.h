#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "../core/aligned_buffer.h"
#include "../core/context.h"
#include "activations/gated.h"
#include "units.h"

namespace tensim {

// The units of a model along one side of a micro-tile, in panels of `width` units (gemm/kernels.h): of every unit a row
// of Ŵ and of U⊥ over k steps, of D over o steps, and the coefficients from degree 2 on over `terms − 1` steps. Units
// that fill up the last panel are zero.
template <class T>
struct HiddenSide {
  std::size_t width = 0, panels = 0;
  AlignedBuffer<T> directions, across, down, p, q;
  // D once more, of rows alone: of every part (`PreparedHidden::part`) panels of as many outputs as they have units,
  // over the units of the part.
  AlignedBuffer<T> outputs;
  // Of a panel and of a degree N from 2 on: ln Σ_i w_i T_i(N) · S / S_panel, where T_i is the tail of unit i behind
  // degree N, w_i the largest of |D_ci| in the scale of output c, and S = Σ_i w_i √E_i, of all units or of a panel.
  // `shares` are S_panel / S.
  std::vector<double> tails, shares;

  std::size_t bytes() const {
    return directions.bytes() + across.bytes() + down.bytes() + p.bytes() + q.bytes() + outputs.bytes() +
           (tails.size() + shares.size()) * sizeof(double);
  }
};

// What closed forms are given of a unit, and what is subtracted from them.
struct HiddenUnit {
  GatedUnit unit;
  double p0 = 0, p1 = 0, p2 = 0, q0 = 0, q1 = 0;
  double energy_p = 0, energy_q = 0, length = 0;  // E p², E q², ‖U⊥‖
  double higher = 0;                              // E of the square of all degrees from 3 on
};

// What the degrees from 2 on contribute to an inner product.
struct HiddenProducts {
  std::vector<double> slices;        // of every output; none without units
  double quadratic = 0, higher = 0;  // degree 2 and those from 3 on, of all of them, where asked for
  double bound = 0;                  // on what the series leave out
};

// A chain of at most one block of units, by Hermite degree (MATH.md sections 10 and 11): degrees 0 and 1 as they are,
// all higher ones as coefficients of the units. Unit i is p_i(z) + ξ q_i(z), with z = ŵ_i·x, ξ = U⊥_i·x; a hidden layer
// has no ξ, and p = φ(m + s z). The coefficients of q are kept as √n q_(n−1).
template <class T>
struct PreparedHidden {
  std::size_t inputs = 0;  // k, the size of the whitened input
  std::size_t outputs = 0;
  std::size_t positions = 1;
  std::size_t hidden = 0;  // h
  std::size_t terms = 2;   // the last degree that is kept
  bool gated = false;
  bool stepped = false;  // ∂q has no square that could be integrated: its tails are those of q
  HiddenSide<T> rows, columns;

  std::vector<HiddenUnit> units;

  std::vector<double> constant;              // F_0, (o)
  AlignedBuffer<T> features;                 // F_1, (o, k), empty where it is zero
  std::vector<std::size_t> feature_offsets;  // of its outputs
  // ‖f_c‖ of every output, nearly: errors are measured by them, so that no slice depends on the units of another.
  std::vector<double> scales;
  HiddenProducts self;  // the products of the model with itself, with degrees

  std::size_t bytes() const;

  // Row panels that are taken together: some milliseconds of work, and rows that stay in the second cache while columns
  // come and go, so half as many where units have two rows each.
  std::size_t panels() const { return gated ? 8 : 16; }
  // Units of so many panels.
  std::size_t part() const { return panels() * rows.width; }
};

// Of all units: p_n and √n q_(n−1) for n from 2 on, and the tails behind every degree, all (h, terms − 1). `low` is
// ‖F_0‖² + ‖F_1‖² of every output.
struct HiddenSeries {
  std::size_t terms = 2;
  Matrix<double> p, q, tails;
  std::vector<double> low;
};

// Of panels of units, as in HiddenSide: Σ w_i T_i(N), (panels, terms − 1), S_panel, and S.
struct HiddenTails {
  std::vector<double> sums, owns;
  double all;
};
HiddenTails group_tails(const std::vector<HiddenUnit>& units, const HiddenSeries& series,
                        const std::vector<double>& weights, std::size_t width);

// The parts of `prepare_hidden` that do not depend on who multiplies. The first expands a chain into all of the model
// but its sides, its scales and `self`; the second finds the scales, for which it has the products of the model with
// itself taken, once or twice: with_itself(w_i of all units) sets `self`.
template <class T>
HiddenSeries expand_hidden(const Context& context, const FoldedUnits& folded, std::size_t positions,
                           PreparedHidden<T>& model);
template <class T>
void fit_scales(const FoldedUnits& folded, const HiddenSeries& series, PreparedHidden<T>& model,
                const std::function<void(const std::vector<double>& weights)>& with_itself);

// Expands and packs a folded chain, whose positions are independent and alike.
template <class T>
PreparedHidden<T> prepare_hidden(const Context& context, const FoldedUnits& folded, std::size_t positions);

}  // namespace tensim
