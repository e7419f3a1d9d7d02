#pragma once

#include <list>

#include "check.h"
#include "similarity/prepared.h"

namespace tensim::test {

// A chain that owns its weights and can be evaluated the plain way, position by position.
class Chain {
 public:
  // Weights and biases are below `scale`.
  Chain(Random& random, std::size_t inputs, std::size_t positions, double scale = 1)
      : inputs(inputs), positions(positions), random_(random), scale_(scale), width_(inputs) {}

  Chain& linear(std::size_t outputs, bool biases = true) {
    LinearView layer;
    layer.weight = matrix(outputs, width_);
    if (biases) layer.bias = matrix(outputs, 1);
    return push(layer, outputs);
  }
  Chain& bilinear(std::size_t units, std::size_t outputs, double alpha, bool down = true, bool biases = true) {
    BilinearView layer;
    layer.left = matrix(units, width_);
    layer.right = matrix(units, width_);
    if (biases) layer.left_bias = matrix(units, 1);
    if (down) layer.down = matrix(outputs, units);
    if (biases) layer.down_bias = matrix(outputs, 1);
    layer.alpha = alpha;
    layer.beta = 0.7;
    return push(layer, outputs);
  }
  // Without a residual where the number of `outputs` is given.
  Chain& attention(std::size_t heads, std::size_t d_head, bool causal, double rotary_base, bool biases,
                   std::size_t outputs = 0) {
    AttentionView layer;
    layer.heads = heads;
    const std::size_t inner = heads * d_head;
    for (MatrixView* view : {&layer.q1, &layer.k1, &layer.q2, &layer.k2, &layer.v}) *view = matrix(inner, width_);
    if (biases) {
      for (MatrixView* view : {&layer.q1_bias, &layer.k1_bias, &layer.q2_bias, &layer.k2_bias, &layer.v_bias})
        *view = matrix(inner, 1);
      layer.o_bias = matrix(outputs == 0 ? width_ : outputs, 1);
    }
    layer.o = matrix(outputs == 0 ? width_ : outputs, inner);
    layer.causal = causal;
    layer.rotary_base = rotary_base;
    layer.alpha = outputs == 0 ? 0.8 : 0;
    layer.beta = 1.3;
    return push(layer, layer.o.rows);
  }

  // x is (positions, inputs), the result (positions, outputs).
  std::vector<double> evaluate(std::vector<double> x) const {
    std::size_t width = inputs;
    for (const LayerView& layer : layers) {
      const auto at_each = [&](const auto& apply) {
        std::vector<double> y;
        for (std::size_t s = 0; s < positions; ++s) {
          const std::vector<double> in(x.begin() + static_cast<std::ptrdiff_t>(s * width),
                                       x.begin() + static_cast<std::ptrdiff_t>((s + 1) * width));
          const std::vector<double> out = apply(in);
          y.insert(y.end(), out.begin(), out.end());
        }
        return y;
      };
      const Overload apply{
          [&](const LinearView& view) {
            return at_each([&](const std::vector<double>& in) { return map(view.weight, view.bias, in); });
          },
          [&](const BilinearView& view) {
            return at_each([&](const std::vector<double>& in) { return multiply(view, in); });
          },
          [&](const AttentionView& view) { return attend(view, x); },
          // Chains of this class have no others.
          [&](const auto&) -> std::vector<double> { throw std::logic_error("a layer that is never pushed"); },
      };
      x = std::visit(apply, layer);
      width = std::visit([](const auto& view) { return view.outputs(); }, layer);
    }
    return x;
  }

  AnyPrepared prepared(const Context& context, Method method, DType dtype = DType::kFloat64) const {
    return prepare_chain(context, method, Route::kFactor, dtype, view());
  }

  ChainView view() const { return {layers, {}, inputs, positions}; }

  std::size_t inputs, positions;
  std::vector<LayerView> layers;

 private:
  Chain& push(const LayerView& layer, std::size_t outputs) {
    layers.push_back(layer);
    width_ = outputs;
    return *this;
  }
  MatrixView matrix(std::size_t rows, std::size_t columns) {
    weights_.push_back(random_.vector<double>(rows * columns));
    for (double& weight : weights_.back()) weight *= scale_;
    return MatrixView::row_major(weights_.back().data(), rows, columns);
  }
  static std::vector<double> map(const MatrixView& w, const MatrixView& b, const std::vector<double>& x) {
    std::vector<double> y = vector_of(b, w.rows);
    for (std::size_t i = 0; i < w.rows; ++i) {
      for (std::size_t j = 0; j < w.columns; ++j) y[i] += element(w, i, j) * x[j];
    }
    return y;
  }
  static std::vector<double> multiply(const BilinearView& layer, const std::vector<double>& x) {
    std::vector<double> u = map(layer.left, layer.left_bias, x);
    const std::vector<double> v = map(layer.right, layer.right_bias, x);
    for (std::size_t i = 0; i < u.size(); ++i) u[i] *= v[i];
    std::vector<double> y = u;
    if (!absent(layer.down)) {
      y = map(layer.down, layer.down_bias, u);
    } else {
      const std::vector<double> bias = vector_of(layer.down_bias, y.size());
      for (std::size_t i = 0; i < y.size(); ++i) y[i] += bias[i];
    }
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = layer.beta * y[i] + (layer.alpha != 0 ? layer.alpha * x[i] : 0);
    return y;
  }
  std::vector<double> attend(const AttentionView& layer, const std::vector<double>& x) const {
    const std::size_t width = layer.o.rows, inner = layer.o.columns, d = inner / layer.heads;
    const auto at = [&](std::size_t s) {
      return std::vector<double>(x.begin() + static_cast<std::ptrdiff_t>(s * layer.q1.columns),
                                 x.begin() + static_cast<std::ptrdiff_t>((s + 1) * layer.q1.columns));
    };
    const auto project = [&](const MatrixView& w, const MatrixView& b, std::size_t s, bool rotated) {
      std::vector<double> y = map(w, b, at(s));
      for (std::size_t h = 0; rotated && layer.rotary_base > 0 && h < layer.heads; ++h) {
        for (std::size_t j = 0; j < d / 2; ++j) {
          const double angle = static_cast<double>(s) *
                               std::pow(layer.rotary_base, -2 * static_cast<double>(j) / static_cast<double>(d));
          double &p = y[h * d + j], &q = y[h * d + j + d / 2];
          const double first = p * std::cos(angle) - q * std::sin(angle);
          q = q * std::cos(angle) + p * std::sin(angle);
          p = first;
        }
      }
      return y;
    };
    std::vector<double> result;
    for (std::size_t s = 0; s < positions; ++s) {
      const std::vector<double> q1 = project(layer.q1, layer.q1_bias, s, true),
                                q2 = project(layer.q2, layer.q2_bias, s, true);
      std::vector<double> z(inner, 0.0);
      for (std::size_t t = 0; t < (layer.causal ? s + 1 : positions); ++t) {
        const std::vector<double> k1 = project(layer.k1, layer.k1_bias, t, true),
                                  k2 = project(layer.k2, layer.k2_bias, t, true),
                                  v = project(layer.v, layer.v_bias, t, false);
        for (std::size_t h = 0; h < layer.heads; ++h) {
          double first = 0, second = 0;
          for (std::size_t j = h * d; j < (h + 1) * d; ++j) {
            first += q1[j] * k1[j];
            second += q2[j] * k2[j];
          }
          for (std::size_t j = h * d; j < (h + 1) * d; ++j) z[j] += first * second * v[j] / static_cast<double>(d * d);
        }
      }
      const std::vector<double> y = map(layer.o, layer.o_bias, z), in = at(s);
      for (std::size_t i = 0; i < width; ++i) {
        result.push_back((layer.alpha != 0 ? layer.alpha * in[i] : 0) + layer.beta * y[i]);
      }
    }
    return result;
  }

  Random& random_;
  const double scale_;
  std::size_t width_;
  std::list<std::vector<double>> weights_;  // stays where it is as it grows
};

}  // namespace tensim::test
