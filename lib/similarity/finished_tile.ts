import type { GramTile } from '../backend/grams.js';
import type { Cells, Change } from './gram/cells.js';
import type { Member } from './members/members.js';
import type { SampledGram } from './sampled/result.js';
import { numbersOfTile, type ScaledTile } from './scale/model_scale.js';
import type { FinishedTile } from './terms/types.js';

/** A tile that has been put into the cells, as `onTile` is told of it. */
export function finishedTile(cells: Cells, members: readonly Member[], { job, tile, last }: Change): FinishedTile {
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
    ...(perOutput && { perOutput }),
    ...(standardError && { cosineError: standardError }),
    last,
    matrix: cells,
  };
}
