import type { MeasureComparison } from '../similarity/series/measure_comparison.js';
import type { CrossSimilarity, SimilarityMatrix, SimilarityResult } from '../similarity/terms/types.js';
import { csvLine } from './csv_line.js';

/**
 * The similarities as one table: a header `model,<labels>`, then one row per model. With per-output results a first
 * column `output` holds `all` and then the name of each output, so that the table can be filtered by it. Undefined is
 * empty.
 */
export function* matrixCsv({ labels, ...matrix }: SimilarityMatrix): Generator<string> {
  yield* crossCsv({ ...matrix, rows: labels, columns: labels });
}

/** The same for rows against columns. */
export function* crossCsv({
  rows,
  columns,
  cosine,
  perOutput,
}: Pick<CrossSimilarity, 'rows' | 'columns' | 'cosine' | 'perOutput'>): Generator<string> {
  yield csvLine([...(perOutput ? ['output'] : []), 'model', ...columns]);
  for (const [i, row] of rows.entries()) yield csvLine([...(perOutput ? ['all'] : []), row, ...cosine[i]]);
  for (const [output, slice] of perOutput?.cosine.entries() ?? []) {
    for (const [i, row] of rows.entries()) yield csvLine([perOutput!.names[output], row, ...slice[i]]);
  }
}

/** Several measures as one table, with a first column `measure`. */
export function* measuresCsv({ matrices }: MeasureComparison): Generator<string> {
  yield csvLine(['measure', 'model', ...matrices[0].labels]);
  for (const { measure, labels, cosine } of matrices) {
    for (const [i, label] of labels.entries()) yield csvLine([measure, label, ...cosine[i]]);
  }
}

/** One row for the whole comparison (`output` is `all`) and one per output. Undefined is empty. */
export function* compareCsv(result: SimilarityResult): Generator<string> {
  const differences = ['distanceResolution', 'dissimilarity', 'fidelityError', 'relativeDistance'] as const;
  yield csvLine(['a', 'b', 'output', 'similarity', 'distance', 'innerProduct', 'normA', 'normB', ...differences]);
  for (const slice of [{ ...result, name: 'all' }, ...(result.perOutput ?? [])]) {
    const { name, similarity, distance, innerProduct, normA, normB } = slice;
    const numbers = [similarity, distance, innerProduct, normA, normB, ...differences.map((field) => slice[field])];
    yield csvLine([result.a, result.b, name, ...numbers.map((value) => value ?? Number.NaN)]);
  }
}
