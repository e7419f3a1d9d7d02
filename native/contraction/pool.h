#pragma once

#include <cstddef>
#include <map>
#include <utility>

namespace tensim {

// Buffers given back during one execution, kept for the next step that wants one as long as everything stays within the
// plan's peak: the passes of a sliced plan ask for the same sizes again and again.
template <class Buffer>
class BufferPool {
 public:
  explicit BufferPool(std::size_t peak_elements) : most_(peak_elements) {}

  // `make` gives a new one.
  template <class Make>
  Buffer take(std::size_t elements, const Make& make) {
    if (auto found = free_.find(elements); found != free_.end()) {
      Buffer buffer = std::move(found->second);
      free_.erase(found);
      kept_ -= elements;
      alive_ += elements;
      return buffer;
    }
    while (!free_.empty() && alive_ + kept_ + elements > most_) {
      kept_ -= free_.begin()->first;
      free_.erase(free_.begin());
    }
    alive_ += elements;
    return make();
  }

  void give(Buffer buffer) {
    const std::size_t elements = buffer.size();
    alive_ -= elements;
    kept_ += elements;
    free_.emplace(elements, std::move(buffer));
  }

 private:
  const std::size_t most_;
  std::size_t alive_ = 0, kept_ = 0;
  std::multimap<std::size_t, Buffer> free_;
};

}  // namespace tensim
