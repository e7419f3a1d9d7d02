#pragma once

#include "../tile_product.h"

namespace tensim::cuda {

// How rows lie that a map multiplies: in the panels of tile_product.h, a whole number of stages deep and filled up with
// zeros, so that a stage of a panel is copied as it lies, 16 bytes at a time. Units are pairs of rows: 2u is L, 2u + 1
// is R. Rows beyond the last one, up to the end of its panel, are any numbers.
template <class T>
TENSIM_BOTH constexpr std::uint64_t panel_width(std::uint64_t width) {
  return (width + kStage<T> - 1) / kStage<T> * kStage<T>;
}
TENSIM_BOTH constexpr std::uint64_t panels_of(std::uint64_t rows) {
  return (rows + kPanelRows - 1) / kPanelRows;
}
// Elements in all.
template <class T>
TENSIM_BOTH constexpr std::uint64_t panel_size(std::uint64_t rows, std::uint64_t width) {
  return panels_of(rows) * kPanelRows * panel_width<T>(width);
}

// Where the pieces of a unit that hold element k of its rows begin.
template <class T>
TENSIM_KERNEL std::uint64_t pair_at(std::uint64_t row, std::uint64_t k, std::uint64_t width) {
  const std::uint64_t step = row / kPanelRows * (panel_width<T>(width) / kStep) + k / kStep;
  const unsigned unit = static_cast<unsigned>(row % kPanelRows / 2), p = static_cast<unsigned>(k % kStep / kPiece<T>);
  return (step * kStepPairs<T> + place_of(unit, p)) * (2 * kPiece<T>);
}
template <class T>
TENSIM_KERNEL std::uint64_t element_at(std::uint64_t row, std::uint64_t k, std::uint64_t width) {
  return pair_at<T>(row, k, width) + row % 2 * kPiece<T> + k % kPiece<T>;
}

// The other way round.
struct Element {
  std::uint64_t row, k;
};
template <class T>
TENSIM_KERNEL Element element_of(std::uint64_t at, std::uint64_t width) {
  const std::uint64_t pair = at / (2 * kPiece<T>), step = pair / kStepPairs<T>, steps = panel_width<T>(width) / kStep;
  const unsigned place = static_cast<unsigned>(pair % kStepPairs<T>), unit = place / 4 % kPanelUnits;
  const unsigned p = place / (4 * kPanelUnits) * 4 + place % 4;
  return {step / steps * kPanelRows + 2 * unit + at / kPiece<T> % 2,
          step % steps * kStep + p * kPiece<T> + at % kPiece<T>};
}

}  // namespace tensim::cuda
