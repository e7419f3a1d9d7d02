#pragma once

#include <map>
#include <mutex>
#include <utility>

#include "cuda_check.h"

namespace tensim::cuda {

// Memory of the host that the device copies from and to by itself, several times as fast as other memory. To claim it
// takes long, so some of it is kept.
class PinnedMemory {
 public:
  class Block {
   public:
    Block(PinnedMemory& owner, void* memory, std::size_t bytes) : owner_(&owner), memory_(memory), bytes_(bytes) {}
    Block(Block&& other) noexcept
        : owner_(other.owner_), memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_) {}
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block() {
      if (memory_ != nullptr) owner_->give_back(memory_, bytes_);
    }
    void* data() const { return memory_; }

   private:
    PinnedMemory* owner_;
    void* memory_;
    std::size_t bytes_;
  };

  // At least so many bytes.
  Block take(std::size_t bytes) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      const auto fits = free_.lower_bound(bytes);
      if (fits != free_.end()) {
        const auto [size, memory] = *fits;
        free_.erase(fits);
        kept_ -= size;
        return Block(*this, memory, size);
      }
    }
    std::size_t size = kSmallest;
    while (size < bytes) size *= 2;
    void* memory = nullptr;
    check(cudaHostAlloc(&memory, size, cudaHostAllocDefault), "allocating memory to copy from");
    return Block(*this, memory, size);
  }

 private:
  static constexpr std::size_t kSmallest = std::size_t{1} << 20, kKept = std::size_t{128} << 20;

  void give_back(void* memory, std::size_t bytes) noexcept {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (kept_ + bytes <= kKept) {
        free_.emplace(bytes, memory);
        kept_ += bytes;
        return;
      }
    }
    cudaFreeHost(memory);
  }

  std::mutex mutex_;
  std::multimap<std::size_t, void*> free_;
  std::size_t kept_ = 0;
};

}  // namespace tensim::cuda
