#include <algorithm>

#include "chain.h"
#include "check.h"
#include "similarity/prepared.h"

namespace tensim::test {
namespace {

// Nodes and weights of Gauss–Hermite quadrature for N(0, 1), exact to degree 2·count − 1.
struct Rule {
  std::vector<double> nodes, weights;
  explicit Rule(std::size_t count) {
    const auto hermite = [](std::size_t n, double x) {
      double before = 0, now = 1;
      for (std::size_t k = 0; k < n; ++k) {
        const double next = x * now - static_cast<double>(k) * before;
        before = now;
        now = next;
      }
      return now;
    };
    const double step = 1e-3;
    double factorial = 1;
    for (std::size_t k = 2; k <= count; ++k) factorial *= static_cast<double>(k);
    for (double low = -10.0005; low < 10; low += step) {
      double a = low, b = low + step;
      if (hermite(count, a) * hermite(count, b) > 0) continue;
      for (int k = 0; k < 80; ++k) (hermite(count, a) * hermite(count, (a + b) / 2) <= 0 ? b : a) = (a + b) / 2;
      const double slope = static_cast<double>(count) * hermite(count - 1, a);
      nodes.push_back(a);
      weights.push_back(factorial / (slope * slope));
    }
  }
};

// E Σ_s f_c g_c for every output, for products of degree at most 2·nodes − 1 in every coordinate.
std::vector<double> expected(const Chain& f, const Chain& g, std::size_t nodes) {
  const Rule rule(nodes);
  CHECK(rule.nodes.size() == nodes);
  const std::size_t coordinates = f.inputs * f.positions;
  std::size_t points = 1;
  for (std::size_t k = 0; k < coordinates; ++k) points *= nodes;
  std::vector<double> sum;
  for (std::size_t point = 0; point < points; ++point) {
    std::vector<double> x;
    double weight = 1;
    for (std::size_t k = 0, left = point; k < coordinates; ++k, left /= nodes) {
      x.push_back(rule.nodes[left % nodes]);
      weight *= rule.weights[left % nodes];
    }
    const std::vector<double> y = f.evaluate(x), y2 = g.evaluate(x);
    const std::size_t outputs = y.size() / f.positions;
    sum.resize(outputs);
    for (std::size_t i = 0; i < y.size(); ++i) sum[i % outputs] += weight * y[i] * y2[i];
  }
  return sum;
}

GramTile tile(const Context& context, const AnyPrepared& a, const AnyPrepared& b) {
  return gram_tile(context, {Measure::kGaussian, true, true}, {&a, &b}, {&a, &b});
}

// A tile of both chains against quadrature, in float64 and float32.
void check(const Chain& f, const Chain& g, Method method, std::size_t nodes) {
  const std::vector<double> ff = expected(f, f, nodes), fg = expected(f, g, nodes), gg = expected(g, g, nodes);
  on_every_kernel([&](const Context& context) {
    for (const DType dtype : {DType::kFloat64, DType::kFloat32}) {
      const double tolerance = dtype == DType::kFloat64 ? 1e-10 : 2e-4;
      const AnyPrepared a = f.prepared(context, method, dtype), b = g.prepared(context, method, dtype);
      const GramTile found = tile(context, a, b);
      double total = 0, size = 0;
      for (std::size_t c = 0; c < fg.size(); ++c) {
        const double scale = std::sqrt(ff[c] * gg[c]);
        CHECK_CLOSE(found.per_output[c], ff[c], tolerance, ff[c]);
        CHECK_CLOSE(found.per_output[fg.size() + c], fg[c], tolerance, scale);
        CHECK_CLOSE(found.per_output[3 * fg.size() + c], gg[c], tolerance, gg[c]);
        total += fg[c];
        size += scale;
      }
      CHECK_CLOSE(found.total[1], total, tolerance, size);
      CHECK(found.total[1] == found.total[2]);
    }
  });
}

}  // namespace

TEST(one_block_of_attention_agrees_with_quadrature) {
  Random random(31);
  for (const bool causal : {false, true}) {
    for (const bool biases : {false, true}) {
      Chain f(random, 2, 2), g(random, 2, 2);
      f.linear(3).attention(2, 2, causal, 100, biases).linear(2);
      g.linear(2).attention(1, 4, causal, 0, biases).linear(2);
      check(f, g, Method::kClosure, 6);
    }
  }
}

TEST(two_bilinear_blocks_agree_with_quadrature) {
  Random random(32);
  Chain f(random, 2, 1), g(random, 2, 1), flat(random, 2, 1), straight(random, 2, 1);
  f.linear(3).bilinear(4, 3, 0.4).linear(2).bilinear(5, 2, 0.6).linear(2);
  g.bilinear(3, 3, 0, false).bilinear(2, 2, 0);
  flat.bilinear(5, 3, 0).linear(2);
  straight.linear(2);
  check(f, g, Method::kTwoBlock, 5);
  check(f, flat, Method::kTwoBlock, 5);
  check(flat, straight, Method::kTwoBlock, 5);
}

TEST(two_blocks_in_a_smaller_space_than_the_input_agree_with_quadrature) {
  Random random(33);
  Chain f(random, 4, 1), g(random, 4, 1), h(random, 4, 1);
  f.linear(2).bilinear(3, 2, 0.5).bilinear(3, 2, 0.5);
  g.linear(3).bilinear(3, 2, 0).bilinear(4, 2, 0.3);
  h.linear(4).bilinear(1, 2, 0).bilinear(2, 2, 0);  // its units see less than its input
  check(f, g, Method::kTwoBlock, 5);
  check(g, h, Method::kTwoBlock, 5);
}

TEST(the_closure_is_exact_for_one_block_at_several_positions) {
  Random random(34);
  Chain f(random, 2, 2), g(random, 2, 2), straight(random, 2, 2), attentive(random, 2, 2);
  f.bilinear(3, 2, 0.5).linear(2);
  g.linear(2).bilinear(2, 2, 0, false).linear(2);
  straight.linear(2);
  attentive.attention(1, 2, true, 100, true);
  check(f, g, Method::kClosure, 3);
  check(f, straight, Method::kClosure, 3);
  check(straight, attentive, Method::kClosure, 6);
}

TEST(methods_give_the_same_bits_on_any_number_of_threads) {
  Random random(35);
  Chain f(random, 5, 3), g(random, 5, 3), deep(random, 5, 1), other(random, 5, 1);
  f.linear(6).attention(2, 3, true, 0, true).attention(3, 2, false, 100, true).bilinear(7, 6, 1).linear(3);
  g.linear(6).attention(3, 2, true, 0, true).attention(1, 4, false, 0, false).bilinear(7, 6, 1).linear(3);
  deep.linear(6).bilinear(40, 6, 0.5).bilinear(40, 6, 0.5);
  other.linear(6).bilinear(30, 6, 0.5).bilinear(20, 6, 0.5);
  const auto run = [&](const Chain& x, const Chain& y, Method method) {
    std::vector<double> first;
    for (unsigned threads : {1u, 2u, 5u}) {
      ThreadPool pool;
      Control control;
      const Context context{kernels_for(available_instruction_sets().back()), pool, threads, control};
      const AnyPrepared a = x.prepared(context, method), b = y.prepared(context, method);
      const GramTile found = tile(context, a, b);
      if (first.empty()) first = found.per_output;
      CHECK(first == found.per_output);
      CHECK(control.done() == control.total());
      CHECK(std::all_of(first.begin(), first.end(), [](double x) { return std::isfinite(x); }));
    }
  };
  run(f, g, Method::kClosure);
  run(deep, other, Method::kClosure);
  run(deep, other, Method::kTwoBlock);
  run(deep, other, Method::kTensor);
}

TEST(the_tensor_measure_of_one_block_is_that_of_the_pair_kernel) {
  Random random(36);
  Chain f(random, 4, 1), g(random, 4, 1);
  f.linear(5).bilinear(6, 5, 0.5).linear(3);
  g.bilinear(3, 4, 0).linear(3);
  on_every_kernel([&](const Context& context) {
    const AnyPrepared a = f.prepared(context, Method::kTensor), b = g.prepared(context, Method::kTensor);
    const AnyPrepared a1 = f.prepared(context, Method::kOneBlock), b1 = g.prepared(context, Method::kOneBlock);
    const GramTile found = gram_tile(context, {Measure::kTensor, true, true}, {&a, &b}, {&a, &b});
    const GramTile wanted = gram_tile(context, {Measure::kTensor, true, true}, {&a1, &b1}, {&a1, &b1});
    for (std::size_t i = 0; i < wanted.per_output.size(); ++i)
      CHECK_CLOSE(found.per_output[i], wanted.per_output[i], 1e-12, 10.0);
  });
}

TEST(an_aborted_method_ends_at_once) {
  Random random(37);
  Chain f(random, 5, 4);
  f.attention(2, 4, false, 0, true).attention(2, 4, false, 0, true);
  ThreadPool pool;
  Control control;
  const Context context{baseline_kernels(), pool, 2, control};
  const AnyPrepared a = f.prepared(context, Method::kClosure), b = f.prepared(context, Method::kClosure);
  control.abort();
  bool aborted = false;
  try {
    tile(context, a, b);
  } catch (const Aborted&) {
    aborted = true;
  }
  CHECK(aborted);
}

TEST(what_a_method_cannot_take_is_an_error) {
  Random random(38);
  ThreadPool pool;
  Control control;
  const Context context{baseline_kernels(), pool, 1, control};
  Chain attentive(random, 2, 2), bilinear(random, 2, 2), triple(random, 2, 2), wide(random, 3, 2);
  attentive.attention(1, 2, true, 0, false);
  bilinear.bilinear(3, 2, 0);
  triple.bilinear(2, 2, 0).bilinear(2, 2, 0).bilinear(2, 2, 0);
  wide.bilinear(2, 2, 0);
  const auto code = [](const auto& body) -> std::string {
    try {
      body();
    } catch (const Error& error) {
      return error.code();
    }
    return "none";
  };
  const auto preparing = [&](const Chain& chain, Method method) {
    return code([&] { chain.prepared(context, method); });
  };
  CHECK(preparing(attentive, Method::kTensor) == "UNSUPPORTED_LAYER");
  CHECK(preparing(attentive, Method::kTwoBlock) == "UNSUPPORTED_LAYER");
  CHECK(preparing(attentive, Method::kOneBlock) == "UNSUPPORTED_LAYER");
  CHECK(preparing(triple, Method::kTwoBlock) == "UNSUPPORTED_LAYER");
  const auto comparing = [&](const Chain& f, const Chain& g, Method method, Method method2) {
    return code([&] { tile(context, f.prepared(context, method), g.prepared(context, method2)); });
  };
  CHECK(comparing(attentive, bilinear, Method::kClosure, Method::kClosure) == "UNSUPPORTED_LAYER");
  CHECK(comparing(triple, bilinear, Method::kTensor, Method::kTensor) == "SHAPE_MISMATCH");
  CHECK(comparing(wide, bilinear, Method::kClosure, Method::kClosure) == "SHAPE_MISMATCH");
  CHECK(comparing(bilinear, bilinear, Method::kClosure, Method::kTensor) == "INVALID_ARGUMENT");
}

}  // namespace tensim::test
