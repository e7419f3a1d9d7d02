import type { BlocksResult } from '../../blocks/terms.js';
import { meanOf } from '../../blocks/worst.js';
import type { LawExtent } from '../../similarity/law/extent.js';
import type { RidgeSweep } from '../../similarity/series/ridge_sweep.js';
import type { CrossSimilarity, SimilarityMatrix, SimilarityResult } from '../../similarity/terms/types.js';
import { csvLine } from '../csv_line.js';

/** What a sweep over ridges can be of in a report. */
export type SweptResult = SimilarityResult | SimilarityMatrix | CrossSimilarity;

/** A number of a sweep, by ridge; null where it is not defined. */
export interface SweptRow {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

/** Of two models their similarity; of more the lowest, the median and the highest one; of blocks a row for each. */
export function sweptRows({ steps }: RidgeSweep<SweptResult | BlocksResult>): SweptRow[] {
  const all = steps.map(({ result }) => numbersOf(result));
  return [...all[0].keys()].map((name) => ({ name, values: all.map((numbers) => numbers.get(name) ?? null) }));
}

function numbersOf(result: SweptResult | BlocksResult): Map<string, number | null> {
  switch (result.kind) {
    case 'pair':
      return new Map([['similarity', result.similarity]]);
    case 'blocks':
      return new Map(
        result.layers.flatMap(({ layer, mlp, attention }): [string, number | null][] => [
          ...(mlp ? [[`MLP ${layer}`, mlp.similarity] as [string, number]] : []),
          ...(attention
            ? [
                [`QK ${layer}`, meanOf(attention.heads.map(({ qk }) => qk))] as [string, number | null],
                [`OV ${layer}`, attention.ov?.similarity ?? null] as [string, number | null],
              ]
            : []),
        ]),
      );
    default: {
      const values = pairsOf(result);
      return new Map([
        ['lowest', values[0] ?? null],
        ['median', values[Math.floor(values.length / 2)] ?? null],
        ['highest', values.at(-1) ?? null],
      ]);
    }
  }
}

/** Similarities that are defined, the lowest first; of a list with itself each pair once. */
function pairsOf(result: SimilarityMatrix | CrossSimilarity): number[] {
  const rows = result.cosine.map((row, i) => (result.kind === 'matrix' ? row.subarray(i + 1) : row));
  return rows
    .flatMap((row) => [...row])
    .filter((value) => !Number.isNaN(value))
    .sort((a, b) => a - b);
}

/** Of the blocks that have moments. */
export function extentsOf({ layers }: BlocksResult): LawExtent[] {
  return layers.flatMap(({ mlp, attention }) => [mlp?.extent, attention?.extent]).filter((one) => one !== undefined);
}

/** Which part of the directions laws reach, in words; of several the least and the most. */
export function extentText(extents: readonly LawExtent[]): string {
  const range = (values: readonly number[]) => {
    const [least, most] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
    return least === most ? `${least}` : `${least} to ${most}`;
  };
  const effective = extents.map(({ effectiveDimension }) => Number(effectiveDimension.toPrecision(3)));
  return `${range(extents.map(({ rank }) => rank))} of ${extents[0].inputs}, effectively ${range(effective)}`;
}

/** Similarities by ridge, a row for each; NaN where one is not defined. */
export function sweptMatrix(sweep: RidgeSweep<SweptResult>): Float64Array[] {
  const rows = sweptRows(sweep);
  return sweep.steps.map((_, i) => Float64Array.from(rows, ({ values }) => values[i] ?? Number.NaN));
}

/** One line for every ridge: what its law reaches, and the similarities. */
export function* ridgeCsv(sweep: RidgeSweep<SweptResult>): Generator<string> {
  yield csvLine(['ridge', 'rank', 'effectiveDimension', ...sweptRows(sweep).map(({ name }) => name)]);
  for (const [i, values] of sweptMatrix(sweep).entries()) {
    const { ridge, extent } = sweep.steps[i];
    yield csvLine([ridge, extent?.rank ?? Number.NaN, extent?.effectiveDimension ?? Number.NaN, ...values]);
  }
}
