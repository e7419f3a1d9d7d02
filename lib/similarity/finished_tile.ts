import type { GramTile } from '../backend/grams.js';
import type { Cells, Change } from './gram/cells.js';
import type { Member } from './members/members.js';
import type { SampledGram } from './sampled/result.js';
import { numbersOfTile, type ScaledTile } from './scale/model_scale.js';
import type { FinishedTile } from './terms/types.js';

/**
 * A tile that has been put into the cells, as `onTile` is told of it.
 * @param outputs slices that are outputs; degrees come behind them.
 */
export function finishedTile(
  cells: Cells,
  members: readonly Member[],
  { job, tile, last }: Change,
  outputs: number,
): FinishedTile {
  const { rows, columns } = job;
  const label = (number: number) => members[number].outline.label;
  const place = (number: number) => cells.placesOf(number);
  const { standardError }: (GramTile | ScaledTile) & Partial<Pick<SampledGram, 'standardError'>> = tile;
  const { total, perOutput } = numbersOfTile(tile);
  return {
    rows: rows.map(label),
    columns: columns.map(label),
    rowIndices: rows.map(place),
    columnIndices: columns.map(place),
    gram: total,
    ...(outputs > 0 && perOutput && { perOutput: firstOf(perOutput, total.length, outputs) }),
    ...(standardError && { cosineError: standardError }),
    last,
    matrix: cells,
  };
}

/** The first slices of every cell. */
function firstOf(slices: Float64Array, cells: number, outputs: number): Float64Array {
  const size = cells === 0 ? outputs : slices.length / cells;
  if (size === outputs) return slices;
  const own = new Float64Array(cells * outputs);
  for (let cell = 0; cell < cells; cell++) own.set(slices.subarray(cell * size, cell * size + outputs), cell * outputs);
  return own;
}
