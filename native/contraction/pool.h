#pragma once

#include <cstddef>
#include <map>
#include <utility>

#include "../core/scratch.h"

namespace tensim {

// Buffers given back during one execution, kept for the next step that wants one as long as everything stays within the
// plan's peak: the passes of a sliced plan ask for the same sizes again and again.
template <class T>
class BufferPool {
 public:
  explicit BufferPool(std::size_t peak_elements) : most_(peak_elements) {}

  Scratch<T> take(std::size_t elements) {
    if (auto found = free_.find(elements); found != free_.end()) {
      Scratch<T> buffer = std::move(found->second);
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
    return Scratch<T>(elements);
  }

  void give(Scratch<T> buffer) {
    const std::size_t elements = buffer.size();
    alive_ -= elements;
    kept_ += elements;
    free_.emplace(elements, std::move(buffer));
  }

 private:
  const std::size_t most_;
  std::size_t alive_ = 0, kept_ = 0;
  std::multimap<std::size_t, Scratch<T>> free_;
};

}  // namespace tensim
