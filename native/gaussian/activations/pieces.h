#pragma once

#include <array>
#include <cstddef>

#include "activation.h"

namespace tensim {

// In powers of x, the constant first.
using Quadratic = std::array<double, 3>;

// A function that is a polynomial between every two knots, before the first and behind the last.
struct Pieces {
  std::size_t knots = 0;  // none: no function of pieces, unless `whole`
  std::array<double, 2> knot{};
  std::array<Quadratic, 3> polynomials{};  // one more than there are knots, from left to right
  double exponential = 0;                  // what eˣ is multiplied by where it is added before the first knot, 0
  bool whole = false;                      // a polynomial everywhere
  bool step = false;                       // the polynomials do not meet at the knot
};

// The pieces of an activation that has such; without knots and not whole for the others.
Pieces pieces_of(const Activation& activation);

// The coefficients in powers of x − at.
Quadratic centred_at(const Quadratic& polynomial, double at);

// Σ_p power[p] (σz − at)_+^p with σ = ±1, plus `impulse` times the delta function at σz = at.
struct Half {
  double sign = 1, at = 0;
  std::array<double, 4> power{};
  double impulse = 0;
};

// A piecewise polynomial of z: a polynomial everywhere, in powers of z, and what differs from it behind knots.
struct LinePieces {
  std::array<double, 4> home{};
  std::array<Half, 2> halves{};
  std::size_t count = 0;
};

// φ(m + s z), s > 0, where φ has pieces and no exponential. The polynomial everywhere is that of the piece in which m
// lies, so that nothing cancels where m is far out.
LinePieces on_line(const Pieces& pieces, double mean, double deviation);
// Whether two knots lie so close together, for z, that the differences in on_line cancel.
bool narrow(const Pieces& pieces, double deviation);
// Whether a function has pieces, and on_line is all of it and to rounding.
inline bool only_pieces(const Pieces& pieces, double deviation) {
  return pieces.knots > 0 && pieces.exponential == 0 && !narrow(pieces, deviation);
}
// (constant + beta z) f(z)
LinePieces times_linear(const LinePieces& f, double constant, double beta);
// f'(z)
LinePieces differentiated(const LinePieces& f);

// E f(z) g(z') for z, z' ~ N(0, 1) of correlation rho, exact at ±1 but for two impulses, which count nothing there.
double expectation(const LinePieces& f, const LinePieces& g, double rho);

// E (z − t)_+^p h_n(z) for n ≤ terms, times `factor`, added to row[n] with the sign (±1)^n; t > −38.
void add_half(std::size_t power, double t, double factor, double sign, std::size_t terms, double* row);
// E f(z) h_n(z) for n ≤ terms, added to row.
void add_coefficients(const LinePieces& f, std::size_t terms, double* row);

}  // namespace tensim
