import { Pacer } from '../cooperate.js';
import type { Outline } from '../model/reading/outline.js';
import type { Begun } from '../similarity/circumstances.js';
import { sourceOf } from '../similarity/members/source.js';
import type { CrossSimilarity, Matrix, SimilarityMatrix } from '../similarity/terms/types.js';

/**
 * A matrix as far as it is known, as reports take it: cells to come are NaN. It has similarities and what follows from
 * them, and no inner products.
 */
export async function partialMatrix(begun: Begun): Promise<SimilarityMatrix | CrossSimilarity> {
  const { info, rows, columns, order, window, names } = begun;
  const cosine = await cosines(begun);
  const work = { pairs: begun.matrix.wanted, reused: 0, prepared: 0, same: [], discarded: 0 };
  if (rows !== columns) {
    return {
      ...{ kind: 'cross', ...info, work, rows: labelsOf(rows), columns: labelsOf(columns), gram: [], cosine },
      ...{ rowSources: rows.map(sourceOf), columnSources: columns.map(sourceOf) },
      ...{ rowNorms: new Float64Array(0), columnNorms: new Float64Array(0), difference: notYet },
    };
  }
  const slices: Matrix[] = [];
  for (const slice of names.keys()) slices.push(await cosines(begun, slice));
  return {
    ...{ kind: 'matrix', ...info, work, labels: labelsOf(rows), sources: rows.map(sourceOf), window, gram: [], cosine },
    ...(order && { order }),
    ...(names.length > 0 && { perOutput: { names, gram: [], cosine: slices } }),
    ...{ direction: notYet, difference: notYet },
  };
}

const labelsOf = (outlines: readonly Outline[]) => outlines.map(({ label }) => label);

function notYet(): never {
  throw new Error('the matrix is not finished');
}

async function cosines({ matrix }: Begun, slice?: number): Promise<Matrix> {
  const pacer = new Pacer();
  const found: Float64Array[] = [];
  for (let row = 0; row < matrix.rows; row++) {
    found.push(
      Float64Array.from({ length: matrix.columns }, (_, column) => matrix.cosine(row, column, slice) ?? Number.NaN),
    );
    if (pacer.due(64 * matrix.columns)) await pacer.pause();
  }
  return found;
}
