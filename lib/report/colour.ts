import { setImmediate } from 'node:timers/promises';
import { smallest } from '../extremes.js';
import { angle } from '../similarity/series/angle.js';
import type { Matrix } from '../similarity/terms/types.js';
import { encodePng, type Rgb } from './png.js';

/** Colours of a scale. One palette index more is left for undefined cells. */
const LEVELS = 255;
/** Cells turned into pixels before other work gets its turn. */
const CELLS_PER_TURN = 100_000;
/** Similarities below this are a sign of opposition, not noise around zero: the scale becomes a diverging one. */
const OPPOSED = -0.1;
/** No scale is narrower than this angle, in radians: it would show round-off. */
const NARROWEST = 1e-6;

/**
 * A perceptually uniform colour scale that is linear in the angle between two functions, arccos of their similarity.
 * The angle is what makes similarities near 1 distinguishable: 0.99 and 0.999 are 8° and 2.6° from sameness.
 */
export interface ColourScale {
  /** The lowest similarity on the scale; the highest is 1. */
  readonly least: number;
  /** Where a similarity lies between `least` (0) and 1 (1). */
  position(similarity: number): number;
  /** The colours from `least` to 1. */
  readonly palette: readonly Rgb[];
}

/**
 * The scale that holds all cells of the given matrices.
 * @param sequential colours of t from 0 to 1, for similarities down to about zero.
 * @param diverging colours of t from 0 (similarity 1) over a neutral ½ (similarity 0) to 1 (similarity −1).
 */
export function colourScale(
  matrices: readonly Matrix[],
  sequential: (t: number) => string,
  diverging: (t: number) => string,
): ColourScale {
  let least = 1;
  for (const matrix of matrices) for (const row of matrix) for (const value of row) if (value < least) least = value;
  const span = Math.max(NARROWEST, angle(least));
  const position = (similarity: number) => 1 - Math.min(1, angle(similarity) / span);
  const colour = (p: number) => (least < OPPOSED ? diverging(((1 - p) * span) / Math.PI) : sequential(p));
  return { least, position, palette: paletteOf(colour) };
}

/** The colours of a scheme as those of an image. */
export function paletteOf(colour: (t: number) => string): Rgb[] {
  return Array.from({ length: LEVELS }, (_, i) => parseRgb(colour(i / (LEVELS - 1))));
}

/** Similarities to write at a scale, at least `gap` (of its length) apart, the two ends always among them. */
export function scaleTicks(scale: ColourScale, gap: number): number[] {
  const chosen = [1, scale.least];
  const nines = Array.from({ length: 12 }, (_, i) => 1 - 10 ** -(i + 1));
  for (const tick of [0, 0.5, -0.5, 0.8, -0.8, 0.95, ...nines, 0.3, 0.7]) {
    if (tick <= scale.least) continue;
    const distances = chosen.map((other) => Math.abs(scale.position(other) - scale.position(tick)));
    if (smallest(distances) >= gap) chosen.push(tick);
  }
  return chosen.sort((a, b) => a - b);
}

/**
 * A matrix as a PNG image of at most `limit` pixels a side, one per cell; larger ones are averaged (in angle) over
 * square blocks of cells. Undefined cells are transparent.
 */
export async function heatmapPng(matrix: Matrix, scale: ColourScale, limit: number): Promise<Buffer> {
  const columns = matrix[0]?.length ?? 0;
  const block = Math.max(1, Math.ceil(Math.max(matrix.length, columns) / limit));
  const [height, width] = [Math.ceil(matrix.length / block), Math.ceil(columns / block)];
  const pixels = new Uint8Array(height * width);
  for (let y = 0, cells = 0; y < height; y++) {
    for (let x = 0; x < width; x++) pixels[y * width + x] = pixel(matrix, scale, y * block, x * block, block);
    cells += width * block * block;
    if (cells > CELLS_PER_TURN) {
      cells = 0;
      await setImmediate();
    }
  }
  return encodePng(pixels, width, height, scale.palette);
}

/** The scale itself as an image one pixel high. */
export function rampPng(scale: ColourScale): Promise<Buffer> {
  return encodePng(Uint8Array.from(scale.palette.keys()), LEVELS, 1, scale.palette);
}

function pixel(matrix: Matrix, scale: ColourScale, top: number, left: number, block: number): number {
  let sum = 0;
  let count = 0;
  for (let i = top; i < Math.min(top + block, matrix.length); i++) {
    for (let j = left; j < Math.min(left + block, matrix[i].length); j++) {
      const similarity = matrix[i][j];
      if (Number.isNaN(similarity)) continue;
      sum += scale.position(similarity);
      count++;
    }
  }
  return count === 0 ? LEVELS : Math.round((sum / count) * (LEVELS - 1));
}

function parseRgb(colour: string): Rgb {
  const [red = 0, green = 0, blue = 0] = (colour.match(/\d+/g) ?? []).map(Number);
  return [red, green, blue];
}
