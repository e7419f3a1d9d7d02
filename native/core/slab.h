#pragma once

#include <cstddef>

#include "huge_pages.h"

namespace tensim {

// Memory for prepared models: many buffers of few sizes that stay for a while and mostly go together. From the system
// each would cost a page fault per 4 KiB, which takes longer than packing a small model does. So they are cut out of
// large pages, and what a model gives back serves the next of the same size:
//
//     chunk  | panels | panels | weights | panels | … ──►      a chunk goes back with its last buffer: a few are kept
//
// Safe to use from any thread.
namespace slab {

constexpr std::size_t kChunk = std::size_t{8} << 20;
// Larger buffers have large pages of their own; smaller ones cost the allocator next to nothing.
constexpr std::size_t kSmallest = std::size_t{16} << 10;

// AddressSanitizer sees where a buffer ends only if it comes from the system.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kInUse = false;
#else
constexpr bool kInUse = true;
#endif

constexpr bool takes(std::size_t bytes) {
  return bytes >= kSmallest && bytes < kWorthHugePages;
}

// `bytes` that begin on a cache line; they must fit (`takes`). Throws std::bad_alloc.
void* allocate(std::size_t bytes);
void release(void* memory, std::size_t bytes) noexcept;

}  // namespace slab
}  // namespace tensim
