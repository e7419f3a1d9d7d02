#pragma once

#include "../model.h"
#include "../rounded.h"
#include "interface.h"

namespace tensim::cuda {

// The number that 16 bits stand for, of which `kFraction` are those of the fraction, and 15 − kFraction those of the
// exponent: one of float16, or of bfloat16, whose bits are the upper ones of a float.
template <unsigned kFraction>
TENSIM_KERNEL double number_of(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16, size = bits & 0x7fffu;
  if constexpr (kFraction == 7) return static_cast<double>(float_of(sign | size << 16));
  constexpr std::uint32_t kFractions = (1u << kFraction) - 1, kExponents = (1u << (15 - kFraction)) - 1;
  // Subnormal numbers count the smallest of them.
  const double smallest = sign != 0 ? -0x1p-24 : 0x1p-24;
  const std::uint32_t exponent = size >> kFraction, fraction = size & kFractions;
  if (exponent == 0) return static_cast<double>(fraction) * smallest;
  const std::uint32_t own = exponent == kExponents ? 255 : exponent + 127 - kExponents / 2;
  return static_cast<double>(float_of(sign | own << 23 | fraction << (23 - kFraction)));
}

// Widens numbers to double and makes rows of units of them (interface.h), an element per thread, with the roundings of
// native/gaussian/units.cc.
struct NumbersKernel {
  static constexpr unsigned kThreads = 256;

  struct Arguments {
    std::int32_t format;
    const void* data;
    const float* tables;
    std::uint64_t block_rows, block_columns;
    const double *factors, *lengths, *along, *directions;
    std::uint64_t rows, columns;
    double* values;
  };
  struct Shared {};
  struct Registers {};

  template <class Block>
  TENSIM_KERNEL static void run(Block& block, Shared&, const Arguments& arguments) {
    block.each_thread([&](unsigned thread, Registers&) {
      const std::uint64_t at = block.index * kThreads + thread;
      if (at >= arguments.rows * arguments.columns) return;
      const std::uint64_t row = at / arguments.columns, column = at % arguments.columns;
      double value = stored(arguments, at, row, column);
      if (arguments.factors != nullptr) value = times(value, arguments.factors[column]);
      if (arguments.lengths != nullptr && arguments.lengths[row] > 0) value = over(value, arguments.lengths[row]);
      if (arguments.along != nullptr) value = plus(value, -times(arguments.along[row], arguments.directions[at]));
      arguments.values[at] = value;
    });
  }

 private:
  TENSIM_KERNEL static double stored(const Arguments& arguments, std::uint64_t at, std::uint64_t row,
                                     std::uint64_t column) {
    switch (arguments.format) {
      case TENSIM_CUDA_FLOAT32:
        return static_cast<double>(static_cast<const float*>(arguments.data)[at]);
      case TENSIM_CUDA_FLOAT16:
        return number_of<10>(static_cast<const std::uint16_t*>(arguments.data)[at]);
      case TENSIM_CUDA_BFLOAT16:
        return number_of<7>(static_cast<const std::uint16_t*>(arguments.data)[at]);
      case TENSIM_CUDA_CODES: {
        const std::uint64_t across = (arguments.columns + arguments.block_columns - 1) / arguments.block_columns,
                            table = row / arguments.block_rows * across + column / arguments.block_columns;
        return static_cast<double>(
            arguments.tables[table * 256 + static_cast<const unsigned char*>(arguments.data)[at]]);
      }
      default:
        return static_cast<const double*>(arguments.data)[at];
    }
  }
};

// A matrix on the device, as its kernels take it. `lengths` and `along` are those of rows, or null; the latter count
// what `directions` has.
template <class Device>
DeviceBuffer<Device, double> numbers_on(Device& device, const TensimCudaNumbers& numbers, std::uint64_t rows,
                                        std::uint64_t columns, const double* lengths = nullptr,
                                        const double* along = nullptr, const double* directions = nullptr) {
  const std::uint64_t size = rows * columns;
  const bool plain = numbers.format == TENSIM_CUDA_FLOAT64;
  if (plain && numbers.factors == nullptr && lengths == nullptr && along == nullptr) {
    return {device, static_cast<const double*>(numbers.data), size};
  }
  const bool codes = numbers.format == TENSIM_CUDA_CODES;
  if (codes && (numbers.block_rows == 0 || numbers.block_columns == 0)) {
    throw DeviceError(TENSIM_CUDA_INVALID, "codes have no blocks");
  }
  const std::uint64_t width = plain ? 8 : codes ? 1 : numbers.format == TENSIM_CUDA_FLOAT32 ? 4 : 2;
  const std::uint64_t tables = codes ? (rows + numbers.block_rows - 1) / numbers.block_rows *
                                           ((columns + numbers.block_columns - 1) / numbers.block_columns)
                                     : 0;
  const auto vector = [&](const double* values, std::uint64_t count) {
    return DeviceBuffer<Device, double>(device, values, values == nullptr ? 0 : count);
  };
  const DeviceBuffer<Device, unsigned char> data(device, static_cast<const unsigned char*>(numbers.data), size * width);
  const DeviceBuffer<Device, float> on_device(device, numbers.tables, tables * 256);
  const auto factors = vector(numbers.factors, columns), own_lengths = vector(lengths, rows),
             own_along = vector(along, rows);
  DeviceBuffer<Device, double> values(device, size);
  if (size == 0) return values;
  device.template launch<NumbersKernel>(
      blocks_for<NumbersKernel>(size),
      {numbers.format, data.data(), on_device.data(), numbers.block_rows, numbers.block_columns, factors.data(),
       own_lengths.data(), own_along.data(), directions, rows, columns, values.data()});
  return values;
}

}  // namespace tensim::cuda
