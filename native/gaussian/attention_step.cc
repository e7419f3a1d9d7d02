#include "attention_step.h"

#include <algorithm>
#include <cmath>

#include "../gemm/gemm.h"

namespace tensim {
namespace {

enum Kind : std::size_t { kQ1, kK1, kQ2, kK2, kValue };

// Rotates `size` numbers, `stride` apart, as rotary embedding does at one position (half-split layout).
template <class T>
void rotate(double base, std::size_t position, std::size_t size, std::size_t stride, std::size_t columns, T* values) {
  const std::size_t half = size / 2;
  for (std::size_t j = 0; j < half; ++j) {
    const double angle =
        static_cast<double>(position) * std::pow(base, -2.0 * static_cast<double>(j) / static_cast<double>(size));
    const double c = std::cos(angle), s = std::sin(angle);
    T *first = values + j * stride, *second = values + (j + half) * stride;
    for (std::size_t k = 0; k < columns; ++k) {
      const auto x = static_cast<double>(first[k]), y = static_cast<double>(second[k]);
      first[k] = static_cast<T>(x * c - y * s);
      second[k] = static_cast<T>(y * c + x * s);
    }
  }
}

template <class T>
void read_weights(const AttentionView& layer, AttentionBlock<T>& block, std::vector<double>& bias) {
  const std::size_t dh = block.d_head, n = block.positions, width = block.width;
  block.projection = Matrix<T>(block.heads * n * kKinds * dh, width);
  bias.assign(block.projection.rows, 0.0);
  const auto projections = layer.projections(), biases = layer.projection_biases();
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    const Matrix<double> weight = Matrix<double>::copy(projections[kind]);
    const std::vector<double> own_bias = vector_of(biases[kind], block.inner());
    for (std::size_t h = 0; h < block.heads; ++h) {
      for (std::size_t s = 0; s < n; ++s) {
        const std::size_t row = ((h * n + s) * kKinds + kind) * dh;
        const double* from = weight.row(h * dh);
        std::transform(from, from + dh * width, block.projection.row(row), [](double x) { return static_cast<T>(x); });
        std::copy_n(own_bias.data() + h * dh, dh, bias.data() + row);
        if (layer.rotary_base > 0 && kind != kValue) {
          rotate(layer.rotary_base, s, dh, width, width, block.projection.row(row));
          rotate(layer.rotary_base, s, dh, 1, 1, bias.data() + row);
        }
      }
    }
  }
}

// One head's vectors q1, k1, q2, k2, v at one pair of positions of one model: x below is such a kind.
template <class T>
struct HeadSystem {
  const MicroKernels<T>& kernels;
  const AttentionBlock<T>& block;
  std::size_t h, s, t;

  std::size_t size() const { return block.d_head; }
  std::size_t position(std::size_t x) const { return x == kQ1 || x == kQ2 ? s : t; }
  const T* c(std::size_t x, std::size_t y) const { return block.own_block(h, position(x), position(y), x, y); }
  const T* m(std::size_t x) const { return block.mean(h, position(x), x); }

  double dot(const T* a, const T* b, std::size_t length) const {
    return a == nullptr || b == nullptr ? 0 : kernels.dot(length, a, b);
  }
  // y += C[x][y]·… for a vector in double: out += C a
  void add_image(const T* matrix, const std::vector<double>& a, std::vector<double>& out) const {
    if (matrix == nullptr) return;
    for (std::size_t i = 0; i < size(); ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < size(); ++j) sum += static_cast<double>(matrix[i * size() + j]) * a[j];
      out[i] += sum;
    }
  }
  std::vector<double> mean(std::size_t x) const {
    std::vector<double> values(size(), 0.0);
    if (const T* from = m(x)) std::copy(from, from + size(), values.begin());
    return values;
  }
  static double dot(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  }

  // E[q·k] of item 0 (q1·k1) or 1.
  double item(std::size_t i) const {
    const std::size_t q = 2 * i, k = q + 1;
    double sum = dot(m(q), m(k), size());
    if (const T* block_qk = c(q, k)) {
      for (std::size_t j = 0; j < size(); ++j) sum += static_cast<double>(block_qk[j * (size() + 1)]);
    }
    return sum;
  }
  // V_x({i}): the chain from x through an item to a mean.
  std::vector<double> end(std::size_t x, std::size_t i) const {
    std::vector<double> sum(size(), 0.0);
    add_image(c(x, 2 * i), mean(2 * i + 1), sum);
    add_image(c(x, 2 * i + 1), mean(2 * i), sum);
    return sum;
  }
  // The joint cumulant of the two items: a ring, and the paths between means.
  double joint() const {
    const std::size_t square = size() * size();
    double sum = dot(c(kQ1, kQ2), c(kK1, kK2), square) + dot(c(kQ1, kK2), c(kK1, kQ2), square);
    if (!block.means.empty()) sum += dot(mean(kK1), end(kQ1, 1)) + dot(mean(kQ1), end(kK1, 1));
    return sum;
  }
  // E[v F_1 F_2]
  std::vector<double> expectation() const {
    const double first = item(0), second = item(1), both = first * second + joint();
    std::vector<double> sum = mean(kValue);
    for (double& x : sum) x *= both;
    const std::vector<double> by_first = end(kValue, 0), by_second = end(kValue, 1);
    for (std::size_t i = 0; i < size(); ++i) sum[i] += by_first[i] * second + by_second[i] * first;
    for (std::size_t i : {std::size_t{0}, std::size_t{1}}) {  // v → F_i → the other → a mean
      for (std::size_t o : {std::size_t{0}, std::size_t{1}})
        add_image(c(kValue, 2 * i + o), end(2 * i + 1 - o, 1 - i), sum);
    }
    return sum;
  }
  // out += E[v wᵀ F_i], row stride `stride`: what ∂(v F_1 F_2)/∂(the other half of w) is on average, w a half of the
  // other item.
  void add_derivative(std::size_t w, std::size_t i, std::vector<T>& work, T* out, std::size_t stride) const {
    const std::size_t d = size();
    const double whole = item(i);
    if (const T* direct = c(kValue, w)) {
      for (std::size_t r = 0; r < d; ++r)
        kernels.axpy(d, static_cast<T>(whole), direct + r * d, out + r * stride, true);
    }
    for (std::size_t o : {std::size_t{0}, std::size_t{1}}) {
      const T *in = c(kValue, 2 * i + o), *to = c(2 * i + 1 - o, w);
      if (in == nullptr || to == nullptr) continue;
      const auto row = static_cast<std::ptrdiff_t>(d);
      kernels.small({{in, row, 1}, {to, row}, {out, static_cast<std::ptrdiff_t>(stride)}, d, d, d, false});
    }
    if (block.means.empty()) return;
    std::vector<double> left = mean(kValue), chain = end(kValue, i);
    for (std::size_t r = 0; r < d; ++r) chain[r] += whole * left[r];
    const std::vector<double> right = mean(w), right_chain = end(w, i);
    for (std::size_t r = 0; r < d; ++r) {
      for (std::size_t j = 0; j < d; ++j) work[j] = static_cast<T>(chain[r] * right[j] + left[r] * right_chain[j]);
      kernels.axpy(d, T(1), work.data(), out + r * stride, true);
    }
  }
};

// Row h of block (s, r) is E ∂z_{s,h}/∂x_r, z the heads' sums before O; and E z_s itself.
template <class T>
void differentiate(const Context& context, const AttentionBlock<T>& block, Matrix<T>& slopes, std::vector<double>& z) {
  const std::size_t n = block.positions, dh = block.d_head, inner = block.inner(), width = block.width;
  slopes = Matrix<T>::zeros(n * inner, n * width);
  z.assign(n * inner, 0.0);
  context.parallel_for(block.heads * n, [&](std::size_t task) {
    const std::size_t h = task / n, s = task % n;
    // E ∂z/∂(each vector of this head at each position), (d_head, n·5·d_head).
    Matrix<T> slope = Matrix<T>::zeros(dh, n * kKinds * dh);
    std::vector<T> work(dh);
    for (std::size_t t = 0; t < block.visible_count(s); ++t) {
      const HeadSystem<T> head{context.kernels.of<T>(), block, h, s, t};
      const auto add = [&](std::size_t kind, std::size_t position, std::size_t w, std::size_t i) {
        head.add_derivative(w, i, work, slope.data() + (position * kKinds + kind) * dh, slope.columns);
      };
      add(kQ1, s, kK1, 1);
      add(kK1, t, kQ1, 1);
      add(kQ2, s, kK2, 0);
      add(kK2, t, kQ2, 0);
      const double both = head.item(0) * head.item(1) + head.joint();
      for (std::size_t i = 0; i < dh; ++i) slope.row(i)[(t * kKinds + kValue) * dh + i] += static_cast<T>(both);
      if (block.means.empty()) continue;
      const std::vector<double> value = head.expectation();
      for (std::size_t i = 0; i < dh; ++i) z[s * inner + h * dh + i] += value[i];
    }
    for (std::size_t r = 0; r < block.visible_count(s); ++r) {
      gemm<T>(context, slope.block(0, dh, r * kKinds * dh, kKinds * dh),
              block.projection.block((h * n + r) * kKinds * dh, kKinds * dh, 0, width),
              slopes.row(s * inner + h * dh) + r * width, static_cast<std::ptrdiff_t>(slopes.columns));
    }
  });
}

}  // namespace

template <class T>
Matrix<T> project_left(const Context& context, const AttentionBlock<T>& ours, const Covariance<T>& covariance) {
  const std::size_t n = ours.positions, rows = kKinds * ours.d_head;
  Matrix<T> left(ours.projection.rows, covariance.values.columns);
  for (std::size_t hs = 0; hs < ours.heads * n; ++hs) {
    const std::size_t s = hs % n;
    const MatrixView from = covariance.alike
                                ? covariance.values.view()
                                : covariance.values.block(s * covariance.rows, covariance.rows, 0, left.columns);
    gemm<T>(context, ours.projection.block(hs * rows, rows, 0, ours.width), from, left.row(hs * rows),
            static_cast<std::ptrdiff_t>(left.columns));
  }
  return left;
}

template <class T>
void project_right(const Context& context, const AttentionBlock<T>& ours, const Matrix<T>& left,
                   const AttentionBlock<T>& theirs, const HeadRange& heads, bool alike, T* target) {
  using Offsets = std::vector<std::ptrdiff_t>;
  const auto [h, h2, count] = heads;
  const std::size_t n = ours.positions, dh = ours.d_head, dh2 = theirs.d_head, square = dh * dh2;
  const std::size_t rows = kKinds * dh, columns = kKinds * dh2, per_head = n * n * kKinds * kKinds * square;
  Offsets target_columns;
  for (std::size_t j = 0; j < count * columns; ++j) {
    const std::size_t head = j / columns, kind = j % columns / dh2;
    target_columns.push_back(static_cast<std::ptrdiff_t>(head * per_head + kind * square + j % dh2));
  }
  const Offsets depth = strided_offsets(theirs.width, 1);
  for (std::size_t t = 0; t < n; ++t) {
    const std::size_t first = alike ? t : 0, positions = alike ? 1 : n;  // s
    Offsets target_rows, their_rows;
    for (std::size_t i = 0; i < positions * rows; ++i) {
      const std::size_t s = first + i / rows, kind = i % rows / dh;
      target_rows.push_back(
          static_cast<std::ptrdiff_t>(((s * n + t) * kKinds + kind) * kKinds * square + i % dh * dh2));
    }
    for (std::size_t j = 0; j < count * columns; ++j) {
      their_rows.push_back(
          static_cast<std::ptrdiff_t>((((h2 + j / columns) * n + t) * columns + j % columns) * theirs.width));
    }
    const Offsets our_rows = strided_offsets(positions * rows, static_cast<std::ptrdiff_t>(left.columns));
    const T* from = left.row((h * n + first) * rows) + (alike ? 0 : t * theirs.width);
    gemm<T>(context, {from, DTypeOf<T>::value, our_rows, depth},
            {theirs.projection.data(), DTypeOf<T>::value, depth, their_rows}, {target, target_rows, target_columns},
            false);
  }
}

template <class T>
AttentionBlock<T> prepare_attention(const Context& context, const AttentionView& layer, std::size_t positions,
                                    const Covariance<T>& covariance, Means& means) {
  AttentionBlock<T> block;
  block.positions = positions;
  block.heads = layer.heads;
  block.d_head = layer.inner() / layer.heads;
  block.width = layer.width();
  block.outputs = layer.outputs();
  block.causal = layer.causal;
  block.alpha = layer.alpha;
  const double scale = 1 / (static_cast<double>(block.d_head) * static_cast<double>(block.d_head));
  block.output = Matrix<T>::copy(layer.o, layer.beta * scale);
  std::vector<double> projected;  // begins as the biases
  read_weights(layer, block, projected);

  const std::size_t n = positions, dh = block.d_head, rows = kKinds * dh;
  for (std::size_t hs = 0; hs < block.heads * n; ++hs) {
    const double* mean = means.at(hs % n);
    for (std::size_t i = hs * rows; i < (hs + 1) * rows; ++i) {
      for (std::size_t j = 0; j < block.width; ++j)
        projected[i] += static_cast<double>(block.projection.row(i)[j]) * mean[j];
    }
  }
  if (any(projected)) {
    block.means = AlignedBuffer<T>(projected.size());
    std::transform(projected.begin(), projected.end(), block.means.data(), [](double x) { return static_cast<T>(x); });
  }

  block.independent = covariance.alike;
  const std::size_t per_head = n * n * kKinds * kKinds * dh * dh;
  block.own = AlignedBuffer<T>(block.heads * per_head);
  const Matrix<T> left = project_left(context, block, covariance);
  for (std::size_t h = 0; h < block.heads; ++h) {
    project_right(context, block, left, block, {h, h, 1}, covariance.alike, block.own.data() + h * per_head);
  }

  Matrix<T> slopes;
  std::vector<double> z;
  differentiate(context, block, slopes, z);
  block.jacobian = Matrix<T>(n * block.outputs, n * block.width);
  for (std::size_t s = 0; s < n; ++s) {
    gemm<T>(context, block.output.view(), slopes.block(s * block.inner(), block.inner(), 0, slopes.columns),
            block.jacobian.row(s * block.outputs), static_cast<std::ptrdiff_t>(slopes.columns));
  }

  Means out{false, block.outputs, {}};
  const std::vector<double> bias = vector_of(layer.o_bias, block.outputs);
  for (std::size_t s = 0; s < n; ++s) {
    std::vector<double> y = bias;
    for (double& x : y) x *= layer.beta;
    add_product(block.output, z.data() + s * block.inner(), 1, y.data());
    for (std::size_t i = 0; layer.alpha != 0 && i < y.size(); ++i) y[i] += layer.alpha * means.at(s)[i];
    out.values.insert(out.values.end(), y.begin(), y.end());
  }
  means = std::move(out);
  return block;
}

#define TENSIM_INSTANTIATE(T)                                                                                          \
  template Matrix<T> project_left<T>(const Context&, const AttentionBlock<T>&, const Covariance<T>&);                  \
  template void project_right<T>(const Context&, const AttentionBlock<T>&, const Matrix<T>&, const AttentionBlock<T>&, \
                                 const HeadRange&, bool, T*);                                                          \
  template AttentionBlock<T> prepare_attention<T>(const Context&, const AttentionView&, std::size_t,                   \
                                                  const Covariance<T>&, Means&);
TENSIM_INSTANTIATE(double)
TENSIM_INSTANTIATE(float)
#undef TENSIM_INSTANTIATE

}  // namespace tensim
