#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../../core/aligned_buffer.h"
#include "../../core/context.h"
#include "../../core/matrix_view.h"
#include "../../cuda/interface.h"

namespace tensim {

// A matrix in as few bytes as hold its numbers to the last digit, as it goes to a device: weights of float16, bfloat16
// or float32 take what they did in their file, those of eight bits, which have a scale for all of them, for every row
// or for blocks, little more. How numbers were stored is not asked but seen, so that it is the same whoever has made
// them, and right whatever has been done to them.
class Narrowed {
 public:
  // What the numbers of `matrix` are when they are divided by `factors`, a column each; none: as they are. Where they
  // are no floats they are not there. A product of a float with its factor gives the number back, to the last bit.
  Narrowed(const Context& context, const MatrixView& matrix, std::vector<double> factors);
  Narrowed(const Narrowed&) = delete;
  Narrowed& operator=(const Narrowed&) = delete;

  bool there() const { return numbers_.data != nullptr; }
  const TensimCudaNumbers& numbers() const { return numbers_; }

 private:
  // Whether there are no more than 256 different ones in blocks of this size.
  bool encode(const Context& context, std::size_t columns, std::size_t block_rows, std::size_t block_columns);

  TensimCudaNumbers numbers_{};
  AlignedBuffer<float> floats_;
  AlignedBuffer<std::uint16_t> halves_;
  AlignedBuffer<unsigned char> codes_;
  std::vector<float> tables_;
  std::vector<double> factors_;
};

}  // namespace tensim
