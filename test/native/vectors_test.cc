#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "check.h"
#include "core/aligned_buffer.h"
#include "core/slab.h"
#include "gemm/pack.h"
#include "similarity/feature_products.h"

namespace tensim::test {
namespace {

template <class T>
constexpr double kEpsilon = sizeof(T) == 8 ? 2.3e-16 : 1.2e-7;

template <class T>
void check_products_kernel(const MicroKernels<T>& kernels, Random& random, std::size_t length, int registers) {
  const auto mr = static_cast<std::size_t>(kernels.mr), nr = static_cast<std::size_t>(kernels.nr);
  const std::size_t columns = static_cast<std::size_t>(registers * kernels.width), pitch = nr;
  std::vector<std::vector<T>> rows;
  std::vector<const T*> pointers;
  for (std::size_t i = 0; i < mr; ++i) rows.push_back(random.vector<T>(length + 1));
  for (const std::vector<T>& row : rows) pointers.push_back(row.data() + 1);  // rows lie anywhere
  AlignedBuffer<T> panel(pitch * length + 1);
  for (std::size_t at = 0; at < panel.size(); ++at) panel[at] = static_cast<T>(random.number());
  AlignedBuffer<double> sums(mr * nr);
  for (bool overwrite : {true, false}) {
    const std::vector<double> before = random.vector<double>(mr * nr);
    std::copy(before.begin(), before.end(), sums.data());
    kernels.products(length, pointers.data(), panel.data(), pitch, registers, sums.data(), overwrite);
    for (std::size_t i = 0; i < mr; ++i) {
      for (std::size_t j = 0; j < nr; ++j) {
        const std::size_t at = i * nr + j;
        if (j >= columns) {
          CHECK(sums[at] == before[at]);
          continue;
        }
        double sum = overwrite ? 0 : before[at];
        for (std::size_t k = 0; k < length; ++k) {
          sum += static_cast<double>(pointers[i][k]) * static_cast<double>(panel[k * pitch + j]);
        }
        CHECK_CLOSE(sums[at], sum, (static_cast<double>(length) + 2) * kEpsilon<T>, static_cast<double>(length) + 1);
      }
    }
  }
}

// The products of some vectors, null ones among them, against plain sums.
template <class T>
void check_feature_products(const Context& context, std::size_t rows, std::size_t columns, bool symmetric,
                            const std::vector<std::size_t>& offsets) {
  Random random(static_cast<unsigned>(rows + 7 * columns));
  std::vector<std::vector<T>> data;
  const auto pointers = [&](std::size_t count) {
    std::vector<const T*> result;
    for (std::size_t i = 0; i < count; ++i) {
      data.push_back(random.vector<T>(offsets.back() + 1));
      result.push_back(i % 5 == 3 ? nullptr : data.back().data());
    }
    return result;
  };
  data.reserve(rows + columns);
  const std::vector<const T*> a = pointers(rows), b = symmetric ? a : pointers(columns);
  const std::size_t outputs = offsets.size() - 1;
  std::vector<double> found(outputs * rows * columns, 0.5);
  FeatureProducts<T>(context, symmetric, a, b, offsets).add(found.data());
  for (std::size_t c = 0; c < outputs; ++c) {
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        const double at = found[(c * rows + i) * columns + j];
        if (symmetric && i > j) {
          CHECK(at == 0.5);
          continue;
        }
        double sum = 0.5, size = 1;
        if (a[i] != nullptr && b[j] != nullptr) {
          for (std::size_t k = offsets[c]; k < offsets[c + 1]; ++k) {
            const double term = static_cast<double>(a[i][k]) * static_cast<double>(b[j][k]);
            sum += term;
            size += std::abs(term);
          }
        }
        CHECK_CLOSE(at, sum, 600 * kEpsilon<T>, size);
      }
    }
  }
}

}  // namespace

TEST(products_kernel_takes_every_length_and_width_and_touches_nothing_else) {
  for (InstructionSet set : available_instruction_sets()) {
    Random random(11);
    const KernelSet& kernels = kernels_for(set);
    for (std::size_t length : {0u, 1u, 3u, 4u, 33u}) {
      for (int registers = 1; registers <= kernels.f64.nr / kernels.f64.width; ++registers) {
        check_products_kernel(kernels.f64, random, length, registers);
        check_products_kernel(kernels.f32, random, length, registers);
      }
    }
  }
}

TEST(feature_products_agree_with_plain_sums) {
  // Outputs of no elements, of one, of several steps, and of several parts.
  const std::vector<std::size_t> small{0, 0, 1, 700, 701}, large{0, 3, 140000};
  on_every_kernel([&](const Context& context) {
    for (bool symmetric : {false, true}) {
      check_feature_products<double>(context, 1, 1, symmetric, small);
      check_feature_products<float>(context, 70, 70, symmetric, small);
      check_feature_products<double>(context, 45, 45, symmetric, small);
    }
    check_feature_products<double>(context, 3, 40, false, small);
    check_feature_products<float>(context, 40, 2, false, small);
    check_feature_products<double>(context, 4, 4, true, large);
  });
}

TEST(feature_products_of_many_models_are_those_of_few) {
  // More than the side of a block.
  constexpr std::size_t kModels = 600, kLength = 37;
  Random random(5);
  std::vector<std::vector<float>> data;
  std::vector<const float*> all;
  for (std::size_t i = 0; i < kModels; ++i) data.push_back(random.vector<float>(kLength));
  for (const auto& vector : data) all.push_back(vector.data());
  on_every_kernel([&](const Context& context) {
    std::vector<double> whole(kModels * kModels), one(1);
    FeatureProducts<float>(context, true, all, all, {0, kLength}).add(whole.data());
    for (std::size_t i : {0u, 5u, 299u, 300u, 599u}) {
      for (std::size_t j : {299u, 300u, 301u, 599u}) {
        if (i > j) continue;
        one[0] = 0;
        FeatureProducts<float>(context, false, {all[i]}, {all[j]}, {0, kLength}).add(one.data());
        CHECK(one[0] == whole[i * kModels + j]);
      }
    }
  });
}

template <class T, class S>
void check_interleave(const MicroKernels<T>& kernels, Random& random, std::size_t count, std::size_t length) {
  const std::size_t pitch = count + 2;
  std::vector<std::vector<S>> data;
  std::vector<const S*> arrays;
  for (std::size_t i = 0; i < count; ++i) data.push_back(random.vector<S>(length + 1));
  for (const auto& array : data) arrays.push_back(array.data() + 1);  // they lie anywhere
  std::vector<T> panel(pitch * length + 1, T(7));
  interleave(kernels, arrays.data(), count, length, pitch, panel.data() + 1);
  for (std::size_t k = 0; k < length; ++k) {
    for (std::size_t i = 0; i < pitch; ++i) {
      CHECK(panel[1 + k * pitch + i] == (i < count ? static_cast<T>(arrays[i][k]) : T(7)));
    }
  }
}

TEST(arrays_are_interleaved_whatever_their_number) {
  on_every_kernel([](const Context& context) {
    Random random(12);
    for (std::size_t count = 1; count < 40; ++count) {
      for (std::size_t length : {1u, 9u, 48u}) {
        check_interleave<double, double>(context.kernels.f64, random, count, length);
        check_interleave<float, float>(context.kernels.f32, random, count, length);
        check_interleave<float, double>(context.kernels.f32, random, count, length);
      }
    }
  });
}

TEST(the_slab_hands_out_memory_that_is_nobody_elses) {
  Random random(13);
  struct Piece {
    unsigned char* memory;
    std::size_t bytes;
    unsigned char mark;
  };
  const auto intact = [](const Piece& piece) {
    for (std::size_t at = 0; at < piece.bytes; ++at) {
      if (piece.memory[at] != piece.mark) return false;
    }
    return true;
  };
  const std::size_t sizes[] = {slab::kSmallest, slab::kSmallest + 1, 100000, slab::kChunk / 3, kWorthHugePages - 1};
  std::vector<Piece> pieces;
  for (unsigned step = 0; step < 300; ++step) {
    if (pieces.size() > 12 || (step % 3 == 2 && !pieces.empty())) {
      const std::size_t which = random.index(pieces.size());
      CHECK(intact(pieces[which]));
      slab::release(pieces[which].memory, pieces[which].bytes);
      pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(which));
      continue;
    }
    const std::size_t bytes = sizes[random.index(std::size(sizes))];
    CHECK(slab::takes(bytes));
    auto* const memory = static_cast<unsigned char*>(slab::allocate(bytes));
    CHECK(reinterpret_cast<std::uintptr_t>(memory) % 64 == 0);
    pieces.push_back({memory, bytes, static_cast<unsigned char>(step)});
    std::memset(memory, pieces.back().mark, bytes);
  }
  for (const Piece& piece : pieces) {
    CHECK(intact(piece));
    slab::release(piece.memory, piece.bytes);
  }
}

TEST(the_slab_gives_what_came_back_to_the_next_of_the_same_size) {
  void* const stays = slab::allocate(50000);
  void* const first = slab::allocate(70000);
  slab::release(first, 70000);
  void* const other = slab::allocate(70001 + 64);
  CHECK(other != first);
  void* const again = slab::allocate(70000);
  CHECK(again == first);
  for (const auto& [memory, bytes] : {std::pair(stays, 50000), std::pair(other, 70065), std::pair(again, 70000)}) {
    slab::release(memory, static_cast<std::size_t>(bytes));
  }
}

TEST(the_slab_takes_chunks_that_have_emptied_before_new_ones) {
  constexpr std::size_t kBytes = slab::kChunk / 4;
  constexpr std::size_t kPieces = 24;  // of more chunks than are kept
  const auto fill = [] {
    std::vector<void*> pieces;
    while (pieces.size() < kPieces) pieces.push_back(slab::allocate(kBytes));
    return pieces;
  };
  const std::vector<void*> first = fill();
  for (void* piece : first) slab::release(piece, kBytes);
  const std::vector<void*> second = fill();
  std::size_t again = 0;
  for (std::size_t i = 0; i < kPieces; ++i) {
    std::memset(second[i], static_cast<int>(i), kBytes);
    again += std::find(first.begin(), first.end(), second[i]) != first.end() ? 1 : 0;
  }
  CHECK(again >= 4);
  for (std::size_t i = 0; i < kPieces; ++i) {
    CHECK(static_cast<unsigned char*>(second[i])[kBytes - 1] == i);
    slab::release(second[i], kBytes);
  }
}

TEST(the_slab_serves_many_threads) {
  std::vector<std::thread> threads;
  std::atomic<bool> good{true};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t, &good] {
      for (int round = 0; round < 200; ++round) {
        auto buffer = AlignedBuffer<int>::lasting(10000 + static_cast<std::size_t>(round % 7) * 1000);
        for (std::size_t i = 0; i < buffer.size(); i += 100) buffer[i] = t;
        for (std::size_t i = 0; i < buffer.size(); i += 100) good = good && buffer[i] == t;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good);
}

}  // namespace tensim::test
