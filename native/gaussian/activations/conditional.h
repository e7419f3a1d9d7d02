#pragma once

#include <algorithm>
#include <cmath>

#include "blurred.h"
#include "kernel.h"

namespace tensim {

// Of two units, the one that is averaged given the other: a step, one with kinks, one with averages in closed form, or
// else the wider one.
inline bool inner_first(const Unit& u, const Unit& v) {
  const auto rank = [](const Unit& unit) {
    if (unit.activation.kind == ActivationKind::kHeaviside) return 3;
    if (pieces_of(unit.activation).knots > 0) return 2;
    return Blurred::closed(unit.activation.kind) ? 1 : 0;
  };
  const int first = rank(u), second = rank(v);
  return first != second ? first > second : u.deviation >= v.deviation;
}

// Any two units, at any correlation: given z' the inner unit is φ(m + s rho z' + s r w) with w ~ N(0, 1) and
// r² = 1 − rho², averaged over w; what is left is a rule in z'. Calls add(weight, z', inner mean, average) for each of
// its points.
template <class Add>
void for_points_between(const Unit& inner, const Unit& outer, double rho, const Add& add) {
  const double r = std::sqrt(std::max((1 - rho) * (1 + rho), 0.0));
  const Grain grain = together(grain_of(outer.activation, outer.mean, outer.deviation),
                               grain_of(inner.activation, inner.mean, inner.deviation, rho, r));
  const Nodes nodes = nodes_for(grain, kReach);
  const Blurred average(inner.activation, inner.deviation * r);
  for (std::size_t i = 0; i < nodes.z.size(); ++i)
    add(nodes.weights[i], nodes.z[i], inner.mean + inner.deviation * rho * nodes.z[i], average);
}

}  // namespace tensim
