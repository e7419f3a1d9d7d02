#include "narrowed.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

namespace tensim {
namespace {

// Numbers that a byte stands for.
constexpr std::size_t kCodes = 256;
// A block of a matrix whose scales are those of blocks of 128, from wherever a part of its units begins, and which a
// table does not make much larger.
constexpr std::size_t kBlockRows = 64, kBlockColumns = 128;
// What finding the number of a code costs, in flops.
constexpr std::size_t kCodeCost = 8;

std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

// What is known of the floats of a matrix together.
struct Floats {
  AlignedBuffer<float> values;  // none where one of the numbers is no float
  std::uint32_t bits = 0;       // those that are set in any of them
};

// A row of floats, of which each gives back its number when it is multiplied by the factor of its column: whether they
// do, to the last bit.
template <class Number>
bool read_row(const Number* from, std::ptrdiff_t stride, std::size_t columns, const double* factors, float* to,
              std::uint32_t& bits) {
  std::uint32_t any = 0, odd = 0;
  for (std::size_t j = 0; j < columns; ++j) {
    const auto x = static_cast<double>(from[static_cast<std::ptrdiff_t>(j) * stride]);
    const double factor = factors == nullptr || factors[j] == 0 ? 1 : factors[j];
    const auto value = static_cast<float>(x / factor);
    const double back = static_cast<double>(value) * (factors == nullptr ? 1 : factors[j]);
    odd |= static_cast<std::uint32_t>(back != x) | static_cast<std::uint32_t>(std::signbit(back) != std::signbit(x)) |
           static_cast<std::uint32_t>(!(std::abs(value) <= std::numeric_limits<float>::max()));
    any |= bits_of(value);
    to[j] = value;
  }
  bits = any;
  return odd == 0;
}

Floats floats_of(const Context& context, const MatrixView& matrix, const std::vector<double>& factors) {
  const std::size_t columns = matrix.columns;
  if (matrix.rows * columns == 0) return {};
  Floats floats{AlignedBuffer<float>(matrix.rows * columns), 0};
  std::atomic<bool> fit{true};
  std::atomic<std::uint32_t> all{0};
  context.parallel_for(matrix.rows, 8 * columns, [&](std::size_t i) {
    if (!fit.load(std::memory_order_relaxed)) return;
    visit(matrix, [&](const auto* data) {
      std::uint32_t bits;
      const bool own =
          read_row(data + static_cast<std::ptrdiff_t>(i) * matrix.row_stride, matrix.column_stride, columns,
                   factors.empty() ? nullptr : factors.data(), floats.values.data() + i * columns, bits);
      if (!own) return fit.store(false, std::memory_order_relaxed);
      all.fetch_or(bits, std::memory_order_relaxed);
    });
  });
  if (!fit) return {};
  floats.bits = all;
  return floats;
}

bool is_float16(float x) {
  const float steps = x * 0x1p24f;  // of the smallest number
  return std::abs(x) <= 65504.0f && steps == std::trunc(steps);
}

std::uint16_t to_float16(float x) {
  const std::uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000u;
  const float size = std::abs(x);
  if (size < 0x1p-14f) return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(size * 0x1p24f));
  return static_cast<std::uint16_t>(sign | ((bits & 0x7fffffffu) - (112u << 23)) >> 13);
}

// Elements that a thread takes at a time.
constexpr std::size_t kSome = std::size_t{1} << 14;

template <class Take>
void for_some(const Context& context, std::size_t size, const Take& take) {
  context.parallel_for((size + kSome - 1) / kSome, kSome,
                       [&](std::size_t part) { take(part * kSome, std::min(size, (part + 1) * kSome)); });
}

bool are_float16(const Context& context, const Floats& floats) {
  if ((floats.bits & 0x1fffu) != 0) return false;
  const float* const values = floats.values.data();
  std::atomic<bool> fit{true};
  for_some(context, floats.values.size(), [&](std::size_t from, std::size_t to) {
    if (!std::all_of(values + from, values + to, is_float16)) fit = false;
  });
  return fit;
}

// The place of a number among those of a block, which it joins where it is new; kCodes where there is no room.
class CodeTable {
 public:
  explicit CodeTable(float* numbers) : numbers_(numbers), places_(kSlots, kEmpty) {}

  std::size_t code_of(float x) {
    const std::uint32_t bits = bits_of(x);
    std::size_t slot = (bits * 2654435761u) >> (32 - kSlotBits);
    for (; places_[slot] != kEmpty; slot = (slot + 1) % kSlots) {
      if (bits_of(numbers_[places_[slot]]) == bits) return places_[slot];
    }
    if (count_ == kCodes) return kCodes;
    numbers_[count_] = x;
    places_[slot] = static_cast<std::uint16_t>(count_);
    return count_++;
  }

 private:
  static constexpr unsigned kSlotBits = 10;
  static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;
  static constexpr std::uint16_t kEmpty = 0xffff;
  float* numbers_;
  std::vector<std::uint16_t> places_;
  std::size_t count_ = 0;
};

std::size_t blocks_of(std::size_t size, std::size_t block) {
  return (size + block - 1) / block;
}

}  // namespace

Narrowed::Narrowed(const Context& context, const MatrixView& matrix, std::vector<double> factors)
    : factors_(std::move(factors)) {
  if (absent(matrix)) return;
  Floats floats = floats_of(context, matrix, factors_);
  if (floats.values.empty()) return;
  const bool brain = (floats.bits & 0xffffu) == 0, half = !brain && are_float16(context, floats);
  floats_ = std::move(floats.values);
  numbers_.factors = factors_.empty() ? nullptr : factors_.data();
  const std::size_t columns = matrix.columns, size = floats_.size();
  const std::size_t most = brain || half ? 2 * size : 4 * size;
  const std::pair<std::size_t, std::size_t> shapes[] = {{kBlockRows, kBlockColumns}, {1, columns}};
  for (const auto& [block_rows, block_columns] : shapes) {
    const std::size_t blocks = blocks_of(matrix.rows, block_rows) * blocks_of(columns, block_columns);
    if (size + blocks * kCodes * sizeof(float) >= most) continue;
    if (encode(context, columns, block_rows, block_columns)) return;
  }
  if (!brain && !half) {
    numbers_.format = TENSIM_CUDA_FLOAT32;
    numbers_.data = floats_.data();
    return;
  }
  halves_ = AlignedBuffer<std::uint16_t>(size);
  for_some(context, size, [&](std::size_t from, std::size_t to) {
    std::transform(floats_.data() + from, floats_.data() + to, halves_.data() + from,
                   [&](float x) { return brain ? static_cast<std::uint16_t>(bits_of(x) >> 16) : to_float16(x); });
  });
  numbers_.format = brain ? TENSIM_CUDA_BFLOAT16 : TENSIM_CUDA_FLOAT16;
  numbers_.data = halves_.data();
  floats_ = {};
}

bool Narrowed::encode(const Context& context, std::size_t columns, std::size_t block_rows, std::size_t block_columns) {
  const std::size_t size = floats_.size(), rows = size / columns, across = blocks_of(columns, block_columns);
  const auto encode_block = [&](std::size_t block, float* numbers, unsigned char* codes) {
    CodeTable table(numbers);
    const std::size_t top = block / across * block_rows, left = block % across * block_columns;
    for (std::size_t i = top; i < std::min(rows, top + block_rows); ++i) {
      for (std::size_t at = i * columns + left; at < i * columns + std::min(columns, left + block_columns); ++at) {
        const std::size_t code = table.code_of(floats_[at]);
        if (code == kCodes) return false;
        if (codes != nullptr) codes[at] = static_cast<unsigned char>(code);
      }
    }
    return true;
  };
  // Most matrices have too many numbers in their first block already.
  float first[kCodes];
  if (!encode_block(0, first, nullptr)) return false;
  const std::size_t blocks = blocks_of(rows, block_rows) * across;
  AlignedBuffer<unsigned char> codes(size);
  std::vector<float> tables(blocks * kCodes);
  std::atomic<bool> fit{true};
  context.parallel_for(blocks, kCodeCost * block_rows * block_columns, [&](std::size_t block) {
    if (!fit.load(std::memory_order_relaxed)) return;
    if (!encode_block(block, tables.data() + block * kCodes, codes.data())) fit = false;
  });
  if (!fit) return false;
  codes_ = std::move(codes);
  tables_ = std::move(tables);
  floats_ = {};
  numbers_.format = TENSIM_CUDA_CODES;
  numbers_.data = codes_.data();
  numbers_.tables = tables_.data();
  numbers_.block_rows = block_rows;
  numbers_.block_columns = block_columns;
  return true;
}

}  // namespace tensim
