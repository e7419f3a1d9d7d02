#include "evaluate.h"

#include <algorithm>
#include <cmath>

namespace tensim {
namespace {

// Rows that go through all layers together on one thread: enough to make reading the weights cheap, few enough that the activations
// stay in the second cache.
constexpr std::size_t kChunkRows = 128;
// Queries whose scores are computed together.
constexpr std::size_t kQueryBlock = 32;

template <class T>
void append(std::vector<T>& to, const MatrixView& bias, std::size_t size) {
  if (bias.data == nullptr) {
    to.insert(to.end(), size, T(0));
    return;
  }
  visit(bias, [&](const auto* data) {
    for (std::size_t i = 0; i < size; ++i)
      to.push_back(static_cast<T>(data[static_cast<std::ptrdiff_t>(i) * bias.row_stride]));
  });
}

// The biases of stacked matrices, or nothing if none has one.
template <class T>
std::vector<T> stack(const std::vector<MatrixView>& biases, std::size_t size) {
  std::vector<T> stacked;
  if (std::all_of(biases.begin(), biases.end(), [](const MatrixView& bias) { return bias.data == nullptr; }))
    return stacked;
  for (const MatrixView& bias : biases) append(stacked, bias, size);
  return stacked;
}

template <class T>
void add_bias(const std::vector<T>& bias, std::size_t rows, T* y) {
  if (bias.empty()) return;
  for (std::size_t row = 0; row < rows; ++row, y += bias.size())
    for (std::size_t i = 0; i < bias.size(); ++i) y[i] += bias[i];
}

// cos and sin of s·base^(−2j/size) for position s and pair j (MATH.md section 1).
template <class T>
std::vector<T> rotations(std::size_t positions, std::size_t size, double base) {
  std::vector<T> turns;
  for (std::size_t s = 0; s < positions; ++s) {
    for (std::size_t j = 0; j < size / 2; ++j) {
      const double angle =
          static_cast<double>(s) * std::pow(base, -2.0 * static_cast<double>(j) / static_cast<double>(size));
      turns.push_back(static_cast<T>(std::cos(angle)));
      turns.push_back(static_cast<T>(std::sin(angle)));
    }
  }
  return turns;
}

// Turns the pairs (j, j + size/2) of one head.
template <class T>
void rotate(const T* turns, std::size_t size, T* head) {
  const std::size_t half = size / 2;
  for (std::size_t j = 0; j < half; ++j) {
    const T cos = turns[2 * j], sin = turns[2 * j + 1], a = head[j], b = head[j + half];
    head[j] = a * cos - b * sin;
    head[j + half] = b * cos + a * sin;
  }
}

}  // namespace

template <class T>
ForwardPass<T>::ForwardPass(const Context& context, const std::vector<LayerView>& layers, std::size_t positions,
                            std::size_t features, bool tokens)
    : positions_(positions), features_(features), outputs_(features), widest_(features), tokens_(tokens) {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  for (const LayerView& view : layers) {
    context.control.throw_if_aborted();
    Layer layer;
    layer.alpha = static_cast<T>(view.alpha);
    layer.beta = static_cast<T>(view.beta);
    if (view.type == LayerType::kAttention) {
      layer.kind = Kind::kAttention;
      layer.width = view.q1.rows;
      layer.heads = view.heads;
      layer.causal = view.causal;
      layer.outputs = view.o.rows;
      layer.in = PackedMatrix<T>(kernels, {view.q1, view.k1, view.q2, view.k2, view.v});
      layer.in_bias = stack<T>({view.q1_bias, view.k1_bias, view.q2_bias, view.k2_bias, view.v_bias}, layer.width);
      layer.has_out = true;
      layer.out = PackedMatrix<T>(kernels, {view.o});
      layer.out_bias = stack<T>({view.o_bias}, layer.outputs);
      if (view.rotary_base > 0) layer.turns = rotations<T>(positions, layer.width / layer.heads, view.rotary_base);
      widest_inside_ = std::max(widest_inside_, 5 * layer.width);
      widest_joined_ = std::max(widest_joined_, layer.width);
    } else if (view.type == LayerType::kBilinear) {
      layer.kind = Kind::kBilinear;
      layer.width = view.left.rows;
      layer.in = PackedMatrix<T>(kernels, {view.left, view.right});
      layer.in_bias = stack<T>({view.left_bias, view.right_bias}, layer.width);
      layer.has_out = view.down.data != nullptr;
      layer.outputs = layer.has_out ? view.down.rows : layer.width;
      if (layer.has_out) layer.out = PackedMatrix<T>(kernels, {view.down});
      layer.out_bias = stack<T>({view.down_bias}, layer.outputs);
      widest_inside_ = std::max(widest_inside_, 2 * layer.width);
      widest_joined_ = std::max(widest_joined_, layer.width);
    } else {
      layer.outputs = view.weight.rows;
      layer.in_bias = stack<T>({view.bias}, layer.outputs);
      if (tokens && layers_.empty()) {
        layer.kind = Kind::kGather;
        layer.table = AlignedBuffer<T>(features * layer.outputs);
        visit(view.weight, [&](const auto* data) {
          for (std::size_t t = 0; t < features; ++t) {
            for (std::size_t i = 0; i < layer.outputs; ++i) {
              const T weight = static_cast<T>(data[static_cast<std::ptrdiff_t>(i) * view.weight.row_stride +
                                                   static_cast<std::ptrdiff_t>(t) * view.weight.column_stride]);
              layer.table[t * layer.outputs + i] = layer.in_bias.empty() ? weight : weight + layer.in_bias[i];
            }
          }
        });
        widest_ = 0;
      } else {
        layer.in = PackedMatrix<T>(kernels, {view.weight});
      }
    }
    outputs_ = layer.outputs;
    widest_ = std::max(widest_, outputs_);
    layers_.push_back(std::move(layer));
  }
}

template <class T>
std::size_t ForwardPass<T>::bytes() const {
  std::size_t sum = 0;
  for (const Layer& layer : layers_) {
    sum += layer.table.bytes() + layer.in.bytes() + layer.out.bytes() +
           (layer.in_bias.size() + layer.out_bias.size() + layer.turns.size()) * sizeof(T);
  }
  return sum;
}

template <class T>
double ForwardPass<T>::flops_per_row() const {
  double flops = 1;
  for (const Layer& layer : layers_) {
    flops += 2.0 * static_cast<double>(layer.in.outputs() * layer.in.depth() + layer.out.outputs() * layer.out.depth());
    if (layer.kind == Kind::kAttention) flops += 6.0 * static_cast<double>(layer.width * positions_);
  }
  return flops;
}

template <class T>
void ForwardPass<T>::evaluate(const Context& context, const MatrixView& vectors, std::size_t batch, T* results) const {
  run(context, batch, results, [&](std::size_t first, std::size_t rows, T* x) {
    visit(vectors, [&](const auto* data) {
      const auto* from = data + first * features_;
      std::transform(from, from + rows * features_, x, [](auto value) { return static_cast<T>(value); });
    });
  });
}

template <class T>
void ForwardPass<T>::evaluate(const Context& context, const std::int32_t* tokens, std::size_t batch, T* results) const {
  const Layer& embedding = layers_.front();
  run(context, batch, results, [&](std::size_t first, std::size_t rows, T* x) {
    for (std::size_t row = 0; row < rows; ++row) {
      const T* from = embedding.table.data() + static_cast<std::size_t>(tokens[first + row]) * embedding.outputs;
      std::copy(from, from + embedding.outputs, x + row * embedding.outputs);
    }
  });
}

template <class T>
template <class Load>
void ForwardPass<T>::run(const Context& context, std::size_t batch, T* results, const Load& load) const {
  const std::size_t per_chunk = std::max<std::size_t>(1, kChunkRows / positions_);
  const double per_row = flops_per_row();
  context.control.expect(static_cast<std::uint64_t>(per_row * static_cast<double>(batch * positions_)));
  context.parallel_for((batch + per_chunk - 1) / per_chunk, [&](std::size_t chunk) {
    const std::size_t start = chunk * per_chunk, rows = (std::min(batch, start + per_chunk) - start) * positions_;
    const std::size_t first = start * positions_;
    Scratch scratch;
    scratch.x = AlignedBuffer<T>(rows * widest_);
    scratch.y = AlignedBuffer<T>(rows * widest_);
    scratch.wide = AlignedBuffer<T>(rows * widest_inside_);
    scratch.joined = AlignedBuffer<T>(rows * widest_joined_);
    load(first, rows, scratch.x.data());
    for (const Layer& layer : layers_) {
      if (layer.kind == Kind::kGather) continue;
      context.control.throw_if_aborted();
      apply(context, layer, rows, scratch);
      std::swap(scratch.x, scratch.y);
    }
    std::copy(scratch.x.data(), scratch.x.data() + rows * outputs_, results + first * outputs_);
    context.control.advance(static_cast<std::uint64_t>(per_row * static_cast<double>(rows)));
  });
}

// y = layer(x) for every row.
template <class T>
void ForwardPass<T>::apply(const Context& context, const Layer& layer, std::size_t rows, Scratch& scratch) const {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  T* y = scratch.y.data();
  if (layer.kind == Kind::kLinear) {
    layer.in.multiply(kernels, scratch.x.data(), rows, y, scratch.panels);
    add_bias(layer.in_bias, rows, y);
    return;
  }
  layer.in.multiply(kernels, scratch.x.data(), rows, scratch.wide.data(), scratch.panels);
  add_bias(layer.in_bias, rows, scratch.wide.data());
  if (layer.kind == Kind::kAttention) {
    attend(context, layer, rows, scratch);
  } else {
    T* products = layer.has_out ? scratch.joined.data() : y;
    for (std::size_t row = 0; row < rows; ++row) {
      const T* sides = scratch.wide.data() + row * 2 * layer.width;
      kernels.multiply(layer.width, T(1), sides, T(1), sides + layer.width, products + row * layer.width, false);
    }
  }
  if (layer.has_out) layer.out.multiply(kernels, scratch.joined.data(), rows, y, scratch.panels);
  add_bias(layer.out_bias, rows, y);
  const std::size_t size = rows * layer.outputs;
  if (layer.alpha != T(0)) {
    const T* x = scratch.x.data();
    for (std::size_t i = 0; i < size; ++i) y[i] = layer.alpha * x[i] + layer.beta * y[i];
  } else if (layer.beta != T(1)) {
    for (std::size_t i = 0; i < size; ++i) y[i] *= layer.beta;
  }
}

// concat_heads Σ_t M_st (q1_s·k1_t)(q2_s·k2_t)/d_head² v_t into `joined`, from the projections in `wide`: a block of queries at a time,
//
//   scores 1 = Q1 K1ᵀ,  scores 2 = Q2 K2ᵀ      with the keys of a head transposed, so that positions are contiguous
//   joined   = (scores 1 ⊙ scores 2 ⊙ M / d_head²) V
template <class T>
void ForwardPass<T>::attend(const Context& context, const Layer& layer, std::size_t rows, Scratch& scratch) const {
  const MicroKernels<T>& kernels = context.kernels.of<T>();
  const std::size_t width = layer.width, size = width / layer.heads, stride = 5 * width, n = positions_;
  const auto row_stride = static_cast<std::ptrdiff_t>(stride);
  T* projected = scratch.wide.data();
  if (!layer.turns.empty()) {
    for (std::size_t row = 0; row < rows; ++row) {
      const T* turns = layer.turns.data() + row % n * size;
      for (std::size_t head = 0; head < 4 * layer.heads; ++head)
        rotate(turns, size, projected + row * stride + head * size);
    }
  }
  if (scratch.keys.size() < 2 * size * n) scratch.keys = AlignedBuffer<T>(2 * size * n);
  if (scratch.scores.size() < 2 * kQueryBlock * n) scratch.scores = AlignedBuffer<T>(2 * kQueryBlock * n);
  T *keys1 = scratch.keys.data(), *keys2 = keys1 + size * n;
  T *scores1 = scratch.scores.data(), *scores2 = scores1 + kQueryBlock * n;
  const auto key_step = static_cast<std::ptrdiff_t>(n);
  const T scale = T(1) / static_cast<T>(size * size);
  for (std::size_t first = 0; first < rows; first += n) {
    for (std::size_t head = 0; head < layer.heads; ++head) {
      const T* base = projected + first * stride + head * size;
      for (std::size_t t = 0; t < n; ++t) {
        for (std::size_t i = 0; i < size; ++i) {
          keys1[i * n + t] = base[t * stride + width + i];
          keys2[i * n + t] = base[t * stride + 3 * width + i];
        }
      }
      for (std::size_t s0 = 0; s0 < n; s0 += kQueryBlock) {
        context.control.throw_if_aborted();
        const std::size_t count = std::min(kQueryBlock, n - s0), seen = layer.causal ? s0 + count : n;
        const T* query = base + s0 * stride;
        kernels.small(count, seen, size, query, row_stride, 1, keys1, key_step, scores1, key_step, true);
        kernels.small(count, seen, size, query + 2 * width, row_stride, 1, keys2, key_step, scores2, key_step, true);
        for (std::size_t s = 0; s < count; ++s) {
          T* row = scores1 + s * n;
          kernels.multiply(seen, scale, row, T(1), scores2 + s * n, row, false);
          if (layer.causal) std::fill(row + s0 + s + 1, row + seen, T(0));
        }
        kernels.small(count, size, seen, scores1, key_step, 1, base + 4 * width, row_stride,
                      scratch.joined.data() + (first + s0) * width + head * size, static_cast<std::ptrdiff_t>(width),
                      true);
      }
    }
  }
}

template class ForwardPass<double>;
template class ForwardPass<float>;

}  // namespace tensim
