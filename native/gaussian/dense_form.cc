#include "dense_form.h"

#include <algorithm>
#include <cmath>

#include "../core/scratch.h"
#include "../gemm/gemm.h"

namespace tensim {
namespace {

// Part of one row of the upper triangle: coordinates (row, first) … (row, first + length − 1), packed from `at` on.
struct Stretch {
  std::size_t row, first, length, at;
};

// Units multiplied at a time, and elements of their forms: half a megabyte, which the second cache holds.
constexpr std::size_t kUnits = 256;
constexpr std::size_t kElements = std::size_t{1} << 16;

// The upper triangle cut into stretches of at most `most` elements.
std::vector<Stretch> stretches_of(std::size_t inputs, std::size_t most) {
  std::vector<Stretch> stretches;
  std::size_t at = 0;
  for (std::size_t row = 0; row < inputs; ++row) {
    for (std::size_t first = row; first < inputs; first += most) {
      const std::size_t length = std::min(most, inputs - first);
      stretches.push_back({row, first, length, at});
      at += length;
    }
  }
  return stretches;
}

// Where tasks of at least `least` elements begin, and the end.
std::vector<std::size_t> task_bounds(const std::vector<Stretch>& stretches, std::size_t least) {
  std::vector<std::size_t> bounds{0};
  std::size_t elements = 0;
  for (std::size_t s = 0; s < stretches.size(); ++s) {
    elements += stretches[s].length;
    if (elements < least && s + 1 < stretches.size()) continue;
    bounds.push_back(s + 1);
    elements = 0;
  }
  return bounds;
}

}  // namespace

// The forms of single units, S_h = L_h R_hᵀ + R_h L_hᵀ packed as above, are made a block at a time; D times such a block is the same block of
// the result. That takes o·h·k² flops, half of what k×k products per output would, and no k×k matrix.
template <class T>
AlignedBuffer<T> dense_form(const Context& context, const QuadraticMap& map) {
  const std::size_t inputs = map.inputs, outputs = map.outputs, units = map.left.view.rows;
  const std::size_t size = dense_form_size(inputs);
  AlignedBuffer<T> forms(outputs * size);
  if (units == 0) {
    forms.clear();
    return forms;
  }
  const Matrix<T> left = Matrix<T>::copy(map.left.view), right = Matrix<T>::copy(map.right.view),
                  down = Matrix<T>::copy(map.down.view);
  const std::size_t block = std::max<std::size_t>(64, kElements / std::min(units, kUnits));
  const std::vector<Stretch> stretches = stretches_of(inputs, block);
  const std::vector<std::size_t> bounds = task_bounds(stretches, block);
  const auto& kernels = context.kernels.of<T>();
  const T diagonal = static_cast<T>(std::sqrt(0.5));
  const Context alone{context.kernels, context.pool, 1, context.control};

  context.parallel_for(bounds.size() - 1, [&](std::size_t task) {
    const Stretch *begin = stretches.data() + bounds[task], *end = stretches.data() + bounds[task + 1];
    const std::size_t length = (end - 1)->at + (end - 1)->length - begin->at;
    Scratch<T> unit_forms(std::min(units, kUnits) * length);
    for (std::size_t h0 = 0; h0 < units; h0 += kUnits) {
      const std::size_t count = std::min(kUnits, units - h0);
      for (std::size_t h = 0; h < count; ++h) {
        const T *l = left.row(h0 + h), *r = right.row(h0 + h);
        T* form = unit_forms.data() + h * length;
        for (const Stretch* s = begin; s != end; ++s) {
          T* to = form + (s->at - begin->at);
          kernels.blend(s->length, l[s->row], r + s->first, r[s->row], l + s->first, to);
          if (s->first == s->row) to[0] *= diagonal;
        }
      }
      gemm<T>(alone, down.block(0, outputs, h0, count), MatrixView::row_major(unit_forms.data(), count, length),
              forms.data() + begin->at, static_cast<std::ptrdiff_t>(size), 1, h0 > 0);
    }
  });
  return forms;
}

template AlignedBuffer<double> dense_form<double>(const Context&, const QuadraticMap&);
template AlignedBuffer<float> dense_form<float>(const Context&, const QuadraticMap&);

}  // namespace tensim
