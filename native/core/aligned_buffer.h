#pragma once

#include <cstddef>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "error.h"
#include "huge_pages.h"
#include "slab.h"

namespace tensim {

// A movable array of trivial elements whose first element lies on a cache line, which the micro-kernels' aligned loads
// rely on.
template <class T>
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = 64;

  AlignedBuffer() = default;
  // Leaves the elements uninitialised.
  explicit AlignedBuffer(std::size_t size) : AlignedBuffer(size, false) {}
  ~AlignedBuffer() { release(); }

  // The same, for what a prepared model keeps (core/slab.h).
  static AlignedBuffer lasting(std::size_t size) {
    return AlignedBuffer(size, slab::kInUse && slab::takes(size * sizeof(T)));
  }

  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), in_slab_(other.in_slab_) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    if (this != &other) {
      release();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
      in_slab_ = other.in_slab_;
    }
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

  static AlignedBuffer zeros(std::size_t size) {
    AlignedBuffer buffer(size);
    buffer.clear();
    return buffer;
  }
  void clear() {
    if (size_ > 0) std::memset(data_, 0, size_ * sizeof(T));  // all-bits-zero is 0.0 for every type used here
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return size_ * sizeof(T); }
  bool empty() const { return size_ == 0; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  AlignedBuffer(std::size_t size, bool in_slab) : size_(size), in_slab_(in_slab) {
    if (size == 0) return;
    if (size > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_alloc();
    data_ = static_cast<T*>(in_slab ? slab::allocate(bytes()) : ::operator new(bytes(), alignment()));
    if (!in_slab && bytes() >= kWorthHugePages) advise_huge_pages(data_, bytes());
  }

  std::align_val_t alignment() const { return std::align_val_t(bytes() >= kWorthHugePages ? kHugePage : kAlignment); }

  void release() {
    if (data_ == nullptr) return;
    if (in_slab_) {
      slab::release(data_, bytes());
    } else {
      ::operator delete(data_, alignment());
    }
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  bool in_slab_ = false;
};

}  // namespace tensim
