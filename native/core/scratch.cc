#include "scratch.h"

#include <map>
#include <mutex>
#include <utility>

namespace tensim {
namespace {

// Below this an allocation is cheap enough.
constexpr std::size_t kSmallest = std::size_t{64} << 10;
// A buffer is handed out for a request of at least this fraction of its size; otherwise memory would be tied up beyond
// what was asked for.
constexpr std::size_t kMostSlack = 2;

class Kept {
 public:
  AlignedBuffer<unsigned char> take(std::size_t bytes) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      const auto found = buffers_.lower_bound(bytes);
      if (found != buffers_.end() && found->first / kMostSlack <= bytes) {
        AlignedBuffer<unsigned char> buffer = std::move(found->second);
        total_ -= found->first;
        buffers_.erase(found);
        return buffer;
      }
    }
    return AlignedBuffer<unsigned char>(bytes);
  }

  void give(AlignedBuffer<unsigned char> buffer) {
    const std::size_t bytes = buffer.size();
    std::lock_guard<std::mutex> lock(mutex_);
    if (bytes < kSmallest || total_ + bytes > ScratchBytes::kMostKept) return;
    total_ += bytes;
    buffers_.emplace(bytes, std::move(buffer));
  }

 private:
  std::mutex mutex_;
  std::multimap<std::size_t, AlignedBuffer<unsigned char>> buffers_;
  std::size_t total_ = 0;
};

Kept& kept() {
  static Kept instance;
  return instance;
}

}  // namespace

ScratchBytes::ScratchBytes(std::size_t bytes) : buffer_(kept().take(bytes)) {}

ScratchBytes::~ScratchBytes() {
  if (!buffer_.empty()) kept().give(std::move(buffer_));
}

ScratchBytes& ScratchBytes::operator=(ScratchBytes&& other) noexcept {
  std::swap(buffer_, other.buffer_);
  return *this;
}

}  // namespace tensim
