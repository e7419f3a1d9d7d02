#include "levels.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

namespace tensim {
namespace {

// Σ_j W_ij² E x_j², four sums side by side.
template <class T>
double row_square(const T* row, const std::vector<double>& squares) {
  double sums[4] = {};
  std::size_t j = 0;
  for (; j + 3 < squares.size(); j += 4) {
    for (std::size_t k = 0; k < 4; ++k) {
      const auto value = static_cast<double>(row[j + k]);
      sums[k] += value * value * squares[j + k];
    }
  }
  for (; j < squares.size(); ++j) {
    const auto value = static_cast<double>(row[j]);
    sums[0] += value * value * squares[j];
  }
  return sums[0] + sums[1] + (sums[2] + sums[3]);
}

// Mean squares of features on their way through a chain, for as long as all are near enough to 1 to be squared.
class Stream {
 public:
  Stream(const KernelSet& kernels, const ChainView& chain, double window)
      : kernels_(kernels), least_(std::exp2(-2 * window)), most_(std::exp2(2 * window)) {
    const auto& [mean, factor, sigma] = chain.law;
    if (absent(factor)) {
      squares.assign(chain.inputs, sigma * sigma);
      add_squares(mean, squares);
    } else {
      squares.assign(factor.columns, 1.0);
      squares = through(factor, mean);
    }
    look(squares);
  }

  bool calm = true;
  std::vector<double> squares;

  void pass(const LinearView& layer) {
    squares = through(layer.weight, layer.bias);
    look(squares);
  }

  void pass(const BilinearView& layer) {
    const double beta = layer.beta * layer.beta, alpha = layer.alpha * layer.alpha;
    calm = calm && (layer.beta == 0 || near(beta));
    std::vector<double> products = through(layer.left, layer.left_bias);
    look(products);
    const std::vector<double> right = through(layer.right, layer.right_bias);
    look(right);
    if (!calm) return;
    for (std::size_t h = 0; h < products.size(); ++h) products[h] *= right[h];
    const std::vector<double> before = std::exchange(squares, std::move(products));
    if (absent(layer.down)) {
      add_squares(layer.down_bias, squares);
    } else {
      squares = through(layer.down, layer.down_bias);
    }
    for (std::size_t c = 0; c < squares.size(); ++c)
      squares[c] = beta * squares[c] + (alpha == 0 ? 0 : alpha * before[c]);
    look(squares);
  }

  template <class View>
  void pass(const View&) {
    calm = false;
  }

 private:
  // What is not a number is not near anything.
  bool near(double square) const { return square >= least_ && square <= most_; }

  void look(const std::vector<double>& values) {
    calm = calm && std::all_of(values.begin(), values.end(), [this](double square) { return near(square); });
  }

  // Of W x + b, row by row.
  std::vector<double> through(const MatrixView& weight, const MatrixView& bias) const {
    std::vector<double> result(weight.rows);
    const bool even = std::all_of(squares.begin(), squares.end(), [&](double one) { return one == squares[0]; });
    visit(weight, [&](const auto* data) {
      using T = std::remove_cv_t<std::remove_pointer_t<decltype(data)>>;
      for (std::size_t i = 0; i < weight.rows; ++i) {
        const T* const row = data + static_cast<std::ptrdiff_t>(i) * weight.row_stride;
        result[i] = even && !squares.empty() ? squares[0] * kernels_.of<T>().dot(squares.size(), row, row)
                                             : row_square(row, squares);
      }
    });
    add_squares(bias, result);
    return result;
  }

  static void add_squares(const MatrixView& bias, std::vector<double>& values) {
    if (absent(bias)) return;
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += element(bias, i) * element(bias, i);
  }

  const KernelSet& kernels_;
  const double least_, most_;
};

}  // namespace

std::optional<ChainLevels> calm_levels(const KernelSet& kernels, const ChainView& chain, double window) {
  Stream stream(kernels, chain, window);
  for (const LayerView& layer : chain.layers) {
    if (!stream.calm) return std::nullopt;
    std::visit([&](const auto& view) { stream.pass(view); }, layer);
  }
  if (!stream.calm) return std::nullopt;
  const auto positions = static_cast<double>(chain.positions);
  ChainLevels levels;
  double sum = 0;
  for (double square : stream.squares) {
    sum += square;
    levels.slices.push_back(std::log2(square * positions) / 2);
  }
  levels.whole = std::log2(sum * positions) / 2;
  return levels;
}

}  // namespace tensim
