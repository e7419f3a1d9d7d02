#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace tensim {

// cos and sin of s/scaling · base^(−2j/turning) for every position s and pair j, one after the other (MATH.md section
// 1).
template <class T>
std::vector<T> rotations(std::size_t positions, std::size_t turning, double base, double scaling = 1) {
  std::vector<T> turns;
  for (std::size_t s = 0; s < positions; ++s) {
    for (std::size_t j = 0; j < turning / 2; ++j) {
      const double angle = static_cast<double>(s) / scaling *
                           std::pow(base, -2.0 * static_cast<double>(j) / static_cast<double>(turning));
      turns.push_back(static_cast<T>(std::cos(angle)));
      turns.push_back(static_cast<T>(std::sin(angle)));
    }
  }
  return turns;
}

// The same of angles s times given frequencies, times `factor`.
template <class T>
std::vector<T> rotations_of(std::size_t positions, const std::vector<double>& frequencies, double factor) {
  std::vector<T> turns;
  for (std::size_t s = 0; s < positions; ++s) {
    for (const double frequency : frequencies) {
      const double angle = static_cast<double>(s) * frequency;
      turns.push_back(static_cast<T>(std::cos(angle) * factor));
      turns.push_back(static_cast<T>(std::sin(angle) * factor));
    }
  }
  return turns;
}

// Turns the first `turning` features of one head: the pairs (2j, 2j + 1) if they are interleaved, else (j, j +
// turning/2).
template <class T>
void rotate(const T* turns, std::size_t turning, bool interleaved, T* head) {
  const std::size_t half = turning / 2, step = interleaved ? 2 : 1, apart = interleaved ? 1 : half;
  for (std::size_t j = 0; j < half; ++j) {
    T &first = head[step * j], &second = head[step * j + apart];
    const T cos = turns[2 * j], sin = turns[2 * j + 1], a = first, b = second;
    first = a * cos - b * sin;
    second = b * cos + a * sin;
  }
}

}  // namespace tensim
