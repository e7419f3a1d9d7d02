#pragma once

#include <cstddef>

#include "aligned_buffer.h"

namespace tensim {

// Working memory that is wanted again and again (packing panels, intermediates). Fresh memory costs a page fault per 4
// KiB, more than a product of middling size takes to fill it; so a few buffers that were given back are kept for the
// next who asks, up to kMostKept bytes in all. Used like an AlignedBuffer<T>; the contents are whatever was there
// before.
class ScratchBytes {
 public:
  static constexpr std::size_t kMostKept = std::size_t{16} << 20;

  ScratchBytes() = default;
  explicit ScratchBytes(std::size_t bytes);
  ~ScratchBytes();
  ScratchBytes(ScratchBytes&& other) noexcept = default;
  ScratchBytes& operator=(ScratchBytes&& other) noexcept;

  unsigned char* data() { return buffer_.data(); }
  const unsigned char* data() const { return buffer_.data(); }

 private:
  AlignedBuffer<unsigned char> buffer_;
};

template <class T>
class Scratch {
 public:
  Scratch() = default;
  explicit Scratch(std::size_t size) : bytes_(size * sizeof(T)), size_(size) {}

  T* data() { return reinterpret_cast<T*>(bytes_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(bytes_.data()); }
  std::size_t size() const { return size_; }

 private:
  ScratchBytes bytes_;
  std::size_t size_ = 0;
};

}  // namespace tensim
