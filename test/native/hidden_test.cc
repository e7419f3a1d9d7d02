#include <algorithm>
#include <memory>

#include "chain.h"
#include "check.h"
#include "gaussian/activations/pieces.h"
#include "similarity/hidden_tile.h"
#include "similarity/prepared.h"
#include "units.h"

namespace tensim::test {
namespace {

struct Products {
  std::vector<double> slices;
  double total = 0, magnitude = 0;
};

// E f·g entry by entry: every pair of units by its kernel, every unit with what is linear by its first coefficients.
Products plain(const FoldedUnits& f, const FoldedUnits& g) {
  const auto unit = [](const FoldedUnits& of, std::size_t i) {
    return GatedUnit{{of.activation_of(i), of.means[i], of.deviations[i]},
                     of.gated ? of.constants[i] : 1,
                     of.gated ? of.along[i] : 0};
  };
  const auto dot = [&](const double* a, const double* b) {
    double sum = 0;
    for (std::size_t j = 0; j < f.inputs; ++j) sum += a[j] * b[j];
    return sum;
  };
  // E of a unit, and of its gradient: p_0 and p_1 ŵ + q_0 U⊥.
  const auto low = [](const FoldedUnits& of, const GatedUnit& one, std::size_t i, double* gradient) {
    const GatedUnit constant{{{ActivationKind::kIdentity, 0}, 1, 0}, 1, 0};
    const GatedUnit line{{{ActivationKind::kIdentity, 0}, 0, 1}, 1, 0};
    const double p0 = gated_kernels(one, constant, 0).pp, p1 = gated_kernels(one, line, 1).pp;
    const double q0 = gated_kernels(one, constant, 0).qq;
    for (std::size_t j = 0; j < of.inputs; ++j) {
      gradient[j] = p1 * of.directions.row(i)[j] + (of.gated ? q0 * of.across.row(i)[j] : 0);
    }
    return p0;
  };
  Products all;
  all.slices.assign(f.outputs, 0.0);
  const auto add = [&](std::size_t c, double term) {
    all.slices[c] += term;
    all.total += term;
    all.magnitude += std::abs(term);
  };
  const auto with_linear = [&](const FoldedUnits& units, const FoldedUnits& other) {
    std::vector<double> gradient(units.inputs);
    for (std::size_t i = 0; i < units.hidden; ++i) {
      const double mean = low(units, unit(units, i), i, gradient.data());
      for (std::size_t c = 0; c < f.outputs; ++c) {
        const double* skip = other.skip.own.data() + c * units.inputs;
        add(c, units.down.own[c * units.hidden + i] * (mean * other.constant[c] + dot(gradient.data(), skip)));
      }
    }
  };
  with_linear(f, g);
  with_linear(g, f);
  for (std::size_t c = 0; c < f.outputs; ++c) {
    add(c, f.constant[c] * g.constant[c] + dot(f.skip.own.data() + c * f.inputs, g.skip.own.data() + c * f.inputs));
  }
  for (std::size_t i = 0; i < f.hidden; ++i) {
    for (std::size_t j = 0; j < g.hidden; ++j) {
      const double *own = f.directions.row(i), *other = g.directions.row(j);
      double rho = std::clamp(dot(own, other), -1.0, 1.0);
      if (std::abs(rho) > 1 - 4e-15) rho = std::copysign(1.0, rho);
      const GatedKernels k = gated_kernels(unit(f, i), unit(g, j), rho);
      const double kappa = f.gated ? dot(f.across.row(i), other) : 0;
      const double kappa_prime = g.gated ? dot(own, g.across.row(j)) : 0;
      const double nu = f.gated && g.gated ? dot(f.across.row(i), g.across.row(j)) : 0;
      const double value = k.pp + kappa * k.q_dp + kappa_prime * k.dp_q + nu * k.qq + kappa * kappa_prime * k.dq_dq;
      for (std::size_t c = 0; c < f.outputs; ++c) {
        add(c, f.down.own[c * f.hidden + i] * value * g.down.own[c * g.hidden + j]);
      }
    }
  }
  return all;
}

template <class T>
void check_pair(const Context& context, const FoldedUnits& f, const FoldedUnits& g) {
  constexpr double kTolerance = sizeof(T) == 8 ? 1e-12 : 2e-6;
  const PreparedHidden<T> a = prepare_hidden<T>(context, f, 1), b = prepare_hidden<T>(context, g, 1);
  GramJob job;
  job.per_output = true;
  job.degrees = true;
  const GramTile tile = hidden_tile<T>(context, job, {&a, &b}, {&a, &b});
  job.per_output = job.degrees = false;
  const GramTile totals = hidden_tile<T>(context, job, {&a, &b}, {&a, &b});
  const FoldedUnits* units[2] = {&f, &g};
  double scale = 0;
  for (std::size_t c = 0; c < f.outputs; ++c) scale += std::pow(std::max(a.scales[c], b.scales[c]), 2);
  for (std::size_t at = 0; at < 4; ++at) {
    const Products wanted = plain(*units[at / 2], *units[at % 2]);
    CHECK(tile.total[at] == totals.total[at]);
    double sum = 0;
    for (std::size_t c = 0; c < f.outputs; ++c) sum += tile.per_output[at * f.outputs + c];
    CHECK(tile.total[at] == sum);
    CHECK_CLOSE(tile.total[at], wanted.total, kTolerance, wanted.magnitude);
    double degrees = 0;
    for (std::size_t n = 0; n < 4; ++n) degrees += tile.per_degree[4 * at + n];
    CHECK_CLOSE(degrees, tile.total[at], 1e-14, wanted.magnitude);
    for (std::size_t c = 0; c < f.outputs; ++c) {
      CHECK_CLOSE(tile.per_output[at * f.outputs + c], wanted.slices[c], kTolerance, wanted.magnitude);
    }
    CHECK(tile.bound[at] >= 0);
    CHECK(tile.bound[at] <= (sizeof(T) == 8 ? 1e-12 : 1e-6) * scale);
  }
}

// The same pair at once and in parts of many threads, alone and among others: every bit.
template <class T>
void check_bits(const Context& context, const FoldedUnits& f, const FoldedUnits& g) {
  const PreparedHidden<T> a = prepare_hidden<T>(context, f, 1), b = prepare_hidden<T>(context, g, 1);
  const Context alone{context.kernels, context.pool, 1, context.control};
  const GramTile one = hidden_tile<T>(alone, {}, {&a}, {&b});
  const GramTile many = hidden_tile<T>(context, {Measure::kGaussian, true, false}, {&a, &b, &a}, {&a, &b, &a});
  CHECK(one.total[0] == many.total[1] && one.bound[0] == many.bound[1] && many.total[1] == many.total[3]);
}

}  // namespace

TEST(hidden_products_agree_with_kernels_entry_by_entry) {
  on_every_kernel([](const Context& context) {
    Random random(11);
    const Shape shapes[] = {{9, 5, 3}, {40, 37, 4}, {64, 70, 2}};
    const std::pair<ActivationKind, ActivationKind> kinds[] = {
        {ActivationKind::kRelu, ActivationKind::kRelu},
        {ActivationKind::kGelu, ActivationKind::kGelu},
        {ActivationKind::kRelu, ActivationKind::kIdentity},
        {ActivationKind::kPrelu, ActivationKind::kHeaviside},
    };
    int which = 0;
    for (const auto& [own, other] : kinds) {
      for (const Shape& shape : shapes) {
        const FoldedUnits f = draw(random, shape, own, false, nullptr);
        const FoldedUnits g = draw(random, {shape.inputs, shape.hidden + 3, shape.outputs}, other, false, &f);
        if (which++ % 2 == 0) {
          check_pair<double>(context, f, g);
        } else if (other != ActivationKind::kHeaviside) {
          check_pair<float>(context, f, g);
        }
      }
    }
  });
}

TEST(gated_products_agree_with_kernels_entry_by_entry) {
  on_every_kernel([](const Context& context) {
    Random random(12);
    const std::pair<ActivationKind, ActivationKind> kinds[] = {
        {ActivationKind::kRelu, ActivationKind::kRelu},
        {ActivationKind::kIdentity, ActivationKind::kRelu},
        {ActivationKind::kIdentity, ActivationKind::kIdentity},
    };
    for (const auto& [own, other] : kinds) {
      for (const bool second : {true, false}) {
        const FoldedUnits f = draw(random, {40, 37, 4}, own, true, nullptr);
        const FoldedUnits g = draw(random, {40, 39, 4}, other, second, &f);
        check_pair<double>(context, f, g);
        check_pair<float>(context, f, g);
      }
    }
  });
}

TEST(hidden_products_do_not_depend_on_threads_or_other_models) {
  on_every_kernel([](const Context& context) {
    Random random(13);
    for (const bool gated : {false, true}) {
      const FoldedUnits f = draw(random, {50, 210, 5}, ActivationKind::kRelu, gated, nullptr);
      const FoldedUnits g = draw(random, {50, 205, 5}, ActivationKind::kRelu, gated, &f);
      check_bits<double>(context, f, g);
      check_bits<float>(context, f, g);
    }
  });
}

// What is of degree 2 has no rounding of it in the higher ones.
TEST(units_of_degree_two_have_no_higher_degrees) {
  on_every_kernel([](const Context& context) {
    Random random(15);
    for (const bool gated : {false, true}) {
      const ActivationKind kind = gated ? ActivationKind::kIdentity : ActivationKind::kSquare;
      const FoldedUnits f = draw(random, {20, 37, 3}, kind, gated, nullptr);
      const FoldedUnits g = draw(random, {20, 39, 3}, kind, gated, &f);
      const PreparedHidden<double> a = prepare_hidden<double>(context, f, 1), b = prepare_hidden<double>(context, g, 1);
      GramJob job;
      job.degrees = true;
      const GramTile tile = hidden_tile<double>(context, job, {&a, &b}, {&a, &b});
      for (std::size_t at = 0; at < 4; ++at)
        CHECK(tile.per_degree[4 * at + 2] != 0 && tile.per_degree[4 * at + 3] == 0);
    }
  });
}

// A bilinear block is a gated block of the identity.
TEST(bilinear_blocks_give_the_same_as_gated_units) {
  on_every_kernel([](const Context& context) {
    Random random(14);
    std::vector<std::unique_ptr<AnyPrepared>> one, units;
    for (int model = 0; model < 2; ++model) {
      Chain chain(random, 12, 1);
      chain.linear(11).bilinear(9, 11, 0.5).linear(4);
      one.push_back(std::make_unique<AnyPrepared>(
          prepare_chain(context, Method::kOneBlock, Route::kFactor, DType::kFloat64, chain.view())));
      units.push_back(std::make_unique<AnyPrepared>(
          prepare_chain(context, Method::kHidden, Route::kFactor, DType::kFloat64, chain.view())));
    }
    const GramJob job{Measure::kGaussian, false, true};
    const GramTile wanted = gram_tile(context, job, {one[0].get(), one[1].get()}, {one[0].get(), one[1].get()});
    const GramTile found = gram_tile(context, job, {units[0].get(), units[1].get()}, {units[0].get(), units[1].get()});
    const double scale = wanted.total[0] + wanted.total[3];
    for (std::size_t at = 0; at < 4; ++at) CHECK_CLOSE(found.total[at], wanted.total[at], 1e-13, scale);
    for (std::size_t at = 0; at < 16; ++at) CHECK_CLOSE(found.per_output[at], wanted.per_output[at], 1e-13, scale);
  });
}

}  // namespace tensim::test
