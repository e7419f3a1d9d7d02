#pragma once

#include <cstddef>

#include "activation.h"
#include "line.h"
#include "pieces.h"

namespace tensim {

// A function φ(m + s w) averaged over w ~ N(0, 1).
struct Averages {
  double value = 0;  // E φ
  double slope = 0;  // E φ'
  double lean = 0;   // E w φ'
};

// Averages of one activation for any means m and one deviation s, in closed form where there is one, else by points.
class Blurred {
 public:
  Blurred(const Activation& activation, double deviation);

  double value(double mean) const;
  Averages at(double mean) const;

  // Whether that takes no points.
  static bool closed(ActivationKind kind);

 private:
  template <class Add>
  void for_nodes(double mean, const Add& add) const;

  Activation activation_;
  double deviation_;
  bool closed_, evenly_ = false;
  Pieces pieces_;
  Nodes nodes_;  // the same for all means, where they lie evenly
};

}  // namespace tensim
