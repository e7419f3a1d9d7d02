#include "slab.h"

#include <iterator>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

#include "huge_pages.h"

namespace tensim {
namespace slab {
namespace {

constexpr std::size_t kLine = 64;
// Chunks without a buffer that are kept for the next models: fresh ones cost the system's clearing them, which takes
// longer than packing what they hold. A matrix of 41 models of (64, 32, 10) clears 4 MiB otherwise, every time.
constexpr std::size_t kMostEmpty = 4;

constexpr std::size_t whole_lines(std::size_t bytes) {
  return (bytes + kLine - 1) / kLine * kLine;
}

class Slab {
 public:
  void* allocate(std::size_t bytes) {
    const std::size_t size = whole_lines(bytes);
    std::lock_guard<std::mutex> lock(mutex_);
    const auto idle = idle_.find(size);
    unsigned char* place;
    if (idle != idle_.end()) {
      place = idle->second.back();
      idle->second.pop_back();
      if (idle->second.empty()) idle_.erase(idle);
    } else {
      if (next_ == nullptr || size > static_cast<std::size_t>(end_ - next_)) open();
      place = next_;
      next_ += size;
    }
    ++chunk_of(place)->second;
    return place;
  }

  void release(void* memory, std::size_t bytes) {
    auto* const place = static_cast<unsigned char*>(memory);
    std::lock_guard<std::mutex> lock(mutex_);
    const auto chunk = chunk_of(place);
    if (--chunk->second == 0) {
      forget(chunk->first);
      unsigned char* const begin = chunk->first;
      chunks_.erase(chunk);
      if (empty_count_ < kMostEmpty) {
        empty_[empty_count_++] = begin;
      } else {
        ::operator delete(begin, std::align_val_t(kHugePage));
      }
      return;
    }
    try {
      idle_[whole_lines(bytes)].push_back(place);
    } catch (const std::bad_alloc&) {
      // Nobody gets it again before the chunk goes.
    }
  }

 private:
  // By where they begin: how many buffers are in use.
  using Chunks = std::map<unsigned char*, std::size_t>;

  Chunks::iterator chunk_of(unsigned char* place) { return std::prev(chunks_.upper_bound(place)); }

  void open() {
    unsigned char* begin;
    if (empty_count_ > 0) {
      begin = empty_[--empty_count_];
    } else {
      begin = static_cast<unsigned char*>(::operator new(kChunk, std::align_val_t(kHugePage)));
      advise_huge_pages(begin, kChunk);
    }
    chunks_.emplace(begin, 0);
    next_ = begin;
    end_ = begin + kChunk;
  }

  // Nobody gets a part of this chunk any more.
  void forget(unsigned char* begin) {
    for (auto idle = idle_.begin(); idle != idle_.end();) {
      std::vector<unsigned char*>& places = idle->second;
      std::size_t kept = 0;
      for (unsigned char* place : places) {
        if (place < begin || place >= begin + kChunk) places[kept++] = place;
      }
      places.resize(kept);
      idle = kept == 0 ? idle_.erase(idle) : std::next(idle);
    }
    if (end_ == begin + kChunk) next_ = end_ = nullptr;
  }

  std::mutex mutex_;
  Chunks chunks_;
  std::unordered_map<std::size_t, std::vector<unsigned char*>> idle_;  // by size
  unsigned char *next_ = nullptr, *end_ = nullptr;                     // what is left of the chunk opened last
  unsigned char* empty_[kMostEmpty] = {};
  std::size_t empty_count_ = 0;
};

// Never destroyed: models may be given back while static variables are going already.
Slab& instance() {
  static Slab& only = *new Slab;
  return only;
}

}  // namespace

void* allocate(std::size_t bytes) {
  return instance().allocate(bytes);
}

void release(void* memory, std::size_t bytes) noexcept {
  instance().release(memory, bytes);
}

}  // namespace slab
}  // namespace tensim
