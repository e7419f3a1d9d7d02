#include <algorithm>
#include <cmath>

#include "check.h"
#include "gemm/packed_matrix.h"
#include "model/forward.h"

namespace tensim::test {
namespace {

MatrixView matrix(const std::vector<double>& values, std::size_t rows, std::size_t columns) {
  return MatrixView::row_major(values.data(), rows, columns);
}

MatrixView column(const std::vector<double>& values) {
  return MatrixView::row_major(values.data(), values.size(), 1);
}

double row_times(const std::vector<double>& weight, std::size_t row, const double* x, std::size_t depth) {
  double sum = 0;
  for (std::size_t i = 0; i < depth; ++i) sum += weight[row * depth + i] * x[i];
  return sum;
}

// One attention layer with q = k in both pairs, a bias on the queries, no rotation; the plain way.
struct PlainAttention {
  std::size_t width, heads, size;
  std::vector<double> q, k, v, o, q_bias;
  bool causal;

  PlainAttention(Random& random, std::size_t width, std::size_t heads, std::size_t size, bool causal)
      : width(width),
        heads(heads),
        size(size),
        q(random.vector<double>(heads * size * width)),
        k(random.vector<double>(heads * size * width)),
        v(random.vector<double>(heads * size * width)),
        o(random.vector<double>(width * heads * size)),
        q_bias(random.vector<double>(heads * size)),
        causal(causal) {}

  LayerView view() const {
    AttentionView layer;
    layer.heads = heads;
    layer.causal = causal;
    layer.alpha = 1;
    layer.beta = 0.5;
    layer.q1 = layer.q2 = matrix(q, heads * size, width);
    layer.k1 = layer.k2 = matrix(k, heads * size, width);
    layer.v = matrix(v, heads * size, width);
    layer.o = matrix(o, width, heads * size);
    layer.q1_bias = layer.q2_bias = column(q_bias);
    return layer;
  }

  std::vector<double> apply(const std::vector<double>& x, std::size_t positions) const {
    std::vector<double> y(x.size());
    for (std::size_t s = 0; s < positions; ++s) {
      std::vector<double> joined(heads * size);
      for (std::size_t t = 0; t < (causal ? s + 1 : positions); ++t) {
        for (std::size_t head = 0; head < heads; ++head) {
          double score = 0;
          for (std::size_t i = head * size; i < (head + 1) * size; ++i)
            score += (row_times(q, i, &x[s * width], width) + q_bias[i]) * row_times(k, i, &x[t * width], width);
          score *= score / static_cast<double>(size * size);
          for (std::size_t i = head * size; i < (head + 1) * size; ++i)
            joined[i] += score * row_times(v, i, &x[t * width], width);
        }
      }
      for (std::size_t c = 0; c < width; ++c)
        y[s * width + c] = x[s * width + c] + 0.5 * row_times(o, c, joined.data(), heads * size);
    }
    return y;
  }
};

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return most;
}

}  // namespace

TEST(a_packed_matrix_multiplies_rows) {
  on_every_kernel([](const Context& context) {
    Random random(31);
    for (const std::size_t depth : {0, 1, 7, 255, 256, 257, 600}) {
      for (const std::size_t rows : {1, 5, 33}) {
        const std::size_t first = 1 + random.index(20), second = random.index(30);
        const std::vector<double> a = random.vector<double>(first * depth), b = random.vector<double>(second * depth);
        const std::vector<double> x = random.vector<double>(rows * depth);
        const MicroKernels<double>& kernels = context.kernels.f64;
        const PackedMatrix<double> packed(kernels, {matrix(a, first, depth), matrix(b, second, depth)});
        CHECK(packed.outputs() == first + second);
        std::vector<double> y(rows * packed.outputs(), std::nan(""));
        AlignedBuffer<double> scratch;
        packed.multiply(kernels, x.data(), rows, y.data(), scratch);
        for (std::size_t row = 0; row < rows; ++row) {
          for (std::size_t c = 0; c < packed.outputs(); ++c) {
            const double expected = c < first ? row_times(a, c, x.data() + row * depth, depth)
                                              : row_times(b, c - first, x.data() + row * depth, depth);
            CHECK_CLOSE(y[row * packed.outputs() + c], expected, 1e-15, static_cast<double>(depth) + 1e-300);
          }
        }
      }
    }
  });
}

// 70 positions take three blocks of queries.
TEST(a_forward_pass_attends_as_the_formula_says) {
  on_every_kernel([](const Context& context) {
    Random random(32);
    for (const std::size_t positions : {1, 4, 70}) {
      for (const bool causal : {false, true}) {
        const std::size_t width = 5, batch = 3;
        const PlainAttention plain(random, width, 2, 3, causal);
        const ForwardPass<double> pass(context, {plain.view()}, positions, width, false);
        const std::vector<double> x = random.vector<double>(batch * positions * width);
        std::vector<double> y(x.size());
        pass.evaluate(context, column(x), batch, y.data());
        for (std::size_t input = 0; input < batch; ++input) {
          const auto first = static_cast<std::ptrdiff_t>(input * positions * width);
          const std::vector<double> part(x.begin() + first,
                                         x.begin() + first + static_cast<std::ptrdiff_t>(positions * width));
          const std::vector<double> expected = plain.apply(part, positions);
          for (std::size_t i = 0; i < expected.size(); ++i)
            CHECK_CLOSE(y[input * positions * width + i], expected[i], 1e-12, largest(expected));
        }
      }
    }
  });
}

TEST(tokens_are_one_hot_vectors) {
  on_every_kernel([](const Context& context) {
    Random random(33);
    const std::size_t vocabulary = 9, width = 4, batch = 300;
    const std::vector<double> weight = random.vector<double>(width * vocabulary), bias = random.vector<double>(width);
    LinearView embedding;
    embedding.weight = matrix(weight, width, vocabulary);
    embedding.bias = column(bias);
    std::vector<std::int32_t> tokens(batch);
    std::vector<double> one_hot(batch * vocabulary);
    for (std::size_t i = 0; i < batch; ++i) {
      tokens[i] = static_cast<std::int32_t>(random.index(vocabulary));
      one_hot[i * vocabulary + static_cast<std::size_t>(tokens[i])] = 1;
    }
    std::vector<float> gathered(batch * width), multiplied(batch * width);
    ForwardPass<float>(context, {embedding}, 1, vocabulary, true)
        .evaluate(context, tokens.data(), batch, gathered.data());
    ForwardPass<float>(context, {embedding}, 1, vocabulary, false)
        .evaluate(context, column(one_hot), batch, multiplied.data());
    CHECK(gathered == multiplied);
  });
}

TEST(an_aborted_forward_pass_stops) {
  Random random(34);
  const std::vector<double> weight = random.vector<double>(4), x = random.vector<double>(1000);
  LinearView layer;
  layer.weight = matrix(weight, 2, 2);
  ThreadPool pool;
  Control control;
  const Context context{kernels_for(chosen_instruction_set()), pool, 2, control};
  const ForwardPass<double> pass(context, {layer}, 1, 2, false);
  std::vector<double> y(x.size());
  pass.evaluate(context, column(x), 500, y.data());
  CHECK(control.done() > 0 && control.done() <= control.total());
  control.abort();
  bool aborted = false;
  try {
    pass.evaluate(context, column(x), 500, y.data());
  } catch (const Aborted&) {
    aborted = true;
  }
  CHECK(aborted);
}

}  // namespace tensim::test
