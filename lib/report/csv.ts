import type { SimilarityMatrix, SimilarityResult } from '../similarity/types.js';

/**
 * The similarities as one table: a header `model,<labels>`, then one row per model. With per-output results a first column
 * `output` holds `all` and then the name of each output, so that the table can be filtered by it. Undefined is empty.
 */
export function* matrixCsv(matrix: SimilarityMatrix): Generator<string> {
  const { labels, cosine, perOutput } = matrix;
  yield csvLine([...(perOutput ? ['output'] : []), 'model', ...labels]);
  for (let i = 0; i < labels.length; i++)
    yield csvLine([...(perOutput ? ['all'] : []), labels[i]!, ...Array.from(cosine[i]!, csvNumber)]);
  for (const [output, slice] of perOutput?.cosine.entries() ?? []) {
    for (let i = 0; i < labels.length; i++)
      yield csvLine([perOutput!.names[output]!, labels[i]!, ...Array.from(slice[i]!, csvNumber)]);
  }
}

/** One row for the whole comparison (`output` is `all`) and one per output. Undefined is empty. */
export function* compareCsv(result: SimilarityResult): Generator<string> {
  yield csvLine(['a', 'b', 'output', 'similarity', 'distance', 'innerProduct', 'normA', 'normB']);
  for (const slice of [{ ...result, name: 'all' }, ...(result.perOutput ?? [])]) {
    const { name, similarity, distance, innerProduct, normA, normB } = slice;
    const numbers = [similarity ?? Number.NaN, distance, innerProduct, normA, normB];
    yield csvLine([result.a, result.b, name, ...numbers.map(csvNumber)]);
  }
}

/** Fields joined by commas, quoted where RFC 4180 needs it and around leading or trailing space, ended by a newline. */
export function csvLine(fields: readonly string[]): string {
  const quoted = fields.map((field) => (/[",\r\n]|^\s|\s$/.test(field) ? `"${field.replaceAll('"', '""')}"` : field));
  return `${quoted.join(',')}\n`;
}

function csvNumber(value: number): string {
  return Number.isFinite(value) ? `${value}` : '';
}
