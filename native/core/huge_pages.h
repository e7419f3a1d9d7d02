#pragma once

#include <cstddef>

namespace tensim {

// Memory of at least this size is worth backing with large pages: one page fault instead of 512.
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kWorthHugePages = 2 * kHugePage;

// Asks the system to back the whole large pages within [data, data + bytes) by such. A hint: it may be ignored, and is
// on systems other than Linux.
void advise_huge_pages(void* data, std::size_t bytes) noexcept;

}  // namespace tensim
