#pragma once

#include <cstddef>

#include "../core/aligned_buffer.h"
#include "../core/context.h"
#include "../core/matrix_view.h"
#include "gemm.h"
#include "pack.h"

namespace tensim {

// All rows of a matrix as panels of `width` rows each (gemm/kernels.h), those that fill up the last one zero: row i at
// step k is packed[(i / width · columns + k)·width + i % width].
template <class T>
AlignedBuffer<T> pack_rows(const Context& context, const MatrixView& matrix, std::size_t width) {
  const std::size_t panels = (matrix.rows + width - 1) / width, depth = matrix.columns;
  AlignedBuffer<T> packed = AlignedBuffer<T>::lasting(panels * width * depth);
  const std::vector<std::ptrdiff_t> rows = strided_offsets(matrix.rows, matrix.row_stride),
                                    columns = strided_offsets(depth, matrix.column_stride);
  context.parallel_for(panels, width * depth, [&](std::size_t p) {
    const std::size_t present = std::min(width, matrix.rows - p * width);
    T* const panel = packed.data() + p * width * depth;
    visit(matrix, [&](const auto* data) {
      if (matrix.column_stride != 1 || present < width) {
        pack_panel(data, rows.data() + p * width, present, columns.data(), depth, width, T(1), panel);
        return;
      }
      std::vector<decltype(data)> lanes;
      for (std::size_t lane = 0; lane < width; ++lane) lanes.push_back(data + rows[p * width + lane]);
      interleave(context.kernels.of<T>(), lanes.data(), width, depth, width, panel);
    });
  });
  return packed;
}

}  // namespace tensim
