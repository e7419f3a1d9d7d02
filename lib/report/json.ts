import type { MeasureComparison } from '../similarity/series/measures.js';
import type { SampledErrors, SampledSlice } from '../similarity/terms/sampling.js';
import type {
  CrossSimilarity,
  Matrix,
  PairDifference,
  ResultInfo,
  SimilarityMatrix,
  SimilarityResult,
} from '../similarity/terms/types.js';

/**
 * The result of a comparison as plain data, the contract `tensim.compare/1`. `perOutput` is there only if it was asked
 * for, `behaviour` only for that measure; the similarity of a slice that is zero in one of the models is null.
 */
export function compareJson(result: SimilarityResult): Record<string, unknown> {
  const { a, b, similarity, innerProduct, normA, normB, behaviour, perOutput } = result;
  return {
    schema: 'tensim.compare/1',
    a,
    b,
    ...infoJson(result),
    similarity: numberOrNull(similarity),
    ...differenceJson(result),
    innerProduct: numberOrNull(innerProduct),
    normA: numberOrNull(normA),
    normB: numberOrNull(normB),
    ...(result.beyondRange && { beyondRange: result.beyondRange }),
    ...errorsJson(result),
    ...(behaviour && { behaviour }),
    ...(perOutput && {
      perOutput: perOutput.map((slice) => ({
        name: slice.name,
        similarity: numberOrNull(slice.similarity),
        ...(slice.standardError !== undefined && { standardError: slice.standardError }),
        ...differenceJson(slice),
        innerProduct: numberOrNull(slice.innerProduct),
        normA: numberOrNull(slice.normA),
        normB: numberOrNull(slice.normB),
        ...(slice.beyondRange && { beyondRange: slice.beyondRange }),
        ...errorsJson(slice),
      })),
    }),
  };
}

function differenceJson(difference: PairDifference): Record<keyof PairDifference, number | null> {
  const { distance, distanceResolution, dissimilarity, fidelityError, relativeDistance } = difference;
  return {
    distance: numberOrNull(distance),
    distanceResolution: numberOrNull(distanceResolution),
    dissimilarity: numberOrNull(dissimilarity),
    fidelityError: numberOrNull(fidelityError),
    relativeDistance: numberOrNull(relativeDistance),
  };
}

/** A similarity matrix as plain data, the contract `tensim.matrix/1`. Undefined similarities are null. */
export function matrixJson(matrix: SimilarityMatrix): Record<string, unknown> {
  const { labels, window, cosine, cosineError, gram, behaviour, perOutput } = matrix;
  return {
    schema: 'tensim.matrix/1',
    labels: [...labels],
    ...infoJson(matrix),
    window,
    same: matrix.work.same,
    ...beyondJson(matrix.beyondRange),
    cosine: rowsJson(cosine),
    ...(cosineError && { cosineError: rowsJson(cosineError) }),
    gram: rowsJson(gram),
    ...(behaviour && {
      behaviour: {
        inputs: behaviour.inputs,
        agreement: rowsJson(behaviour.agreement),
        cka: rowsJson(behaviour.cka),
      },
    }),
    ...(perOutput && {
      perOutput: {
        names: [...perOutput.names],
        cosine: perOutput.cosine.map(rowsJson),
        ...(perOutput.cosineError && { cosineError: perOutput.cosineError.map(rowsJson) }),
        gram: perOutput.gram.map(rowsJson),
      },
    }),
  };
}

/**
 * The JSON text of a matrix in pieces of one row each, the same bytes as `JSON.stringify(matrixJson(matrix))` and a newline:
 * two thousand models make text too long to build at once without stopping everything else.
 */
export function* matrixJsonText(matrix: SimilarityMatrix): Generator<string> {
  yield* matrixBody(matrix);
  yield '\n';
}

function* matrixBody(matrix: SimilarityMatrix): Generator<string> {
  const { labels, window, cosine, cosineError, gram, behaviour, perOutput, work, beyondRange } = matrix;
  yield opened({
    schema: 'tensim.matrix/1',
    labels,
    ...infoJson(matrix),
    window,
    same: work.same,
    ...beyondJson(beyondRange),
  });
  yield ',"cosine":';
  yield* rowsText(cosine);
  if (cosineError) {
    yield ',"cosineError":';
    yield* rowsText(cosineError);
  }
  yield ',"gram":';
  yield* rowsText(gram);
  if (behaviour) {
    yield `,"behaviour":{"inputs":${behaviour.inputs},"agreement":`;
    yield* rowsText(behaviour.agreement);
    yield ',"cka":';
    yield* rowsText(behaviour.cka);
    yield '}';
  }
  yield* outputsText(perOutput);
  yield '}';
}

function* outputsText(perOutput: SimilarityMatrix['perOutput']): Generator<string> {
  if (perOutput === undefined) return;
  yield `,"perOutput":{"names":${JSON.stringify(perOutput.names)},"cosine":`;
  yield* listText(perOutput.cosine);
  if (perOutput.cosineError) {
    yield ',"cosineError":';
    yield* listText(perOutput.cosineError);
  }
  yield ',"gram":';
  yield* listText(perOutput.gram);
  yield '}';
}

/** Rows against columns as JSON in pieces, the contract `tensim.cross/1`. */
export function* crossJsonText(cross: CrossSimilarity): Generator<string> {
  const { rows, columns, rowNorms, columnNorms, cosine, cosineError, gram, perOutput } = cross;
  const norms = { rowNorms: Array.from(rowNorms, numberOrNull), columnNorms: Array.from(columnNorms, numberOrNull) };
  yield opened({
    schema: 'tensim.cross/1',
    rows,
    columns,
    ...infoJson(cross),
    ...norms,
    ...beyondJson(cross.beyondRange),
  });
  yield ',"cosine":';
  yield* rowsText(cosine);
  if (cosineError) {
    yield ',"cosineError":';
    yield* rowsText(cosineError);
  }
  yield ',"gram":';
  yield* rowsText(gram);
  yield* outputsText(perOutput);
  yield '}\n';
}

/** Matrices by several measures as JSON in pieces, the contract `tensim.measures/1`; each is a `tensim.matrix/1`. */
export function* measuresJsonText({ matrices, correlation, block }: MeasureComparison): Generator<string> {
  const scores = block && { start: matrices[0].labels[block.start], scores: block.scores.map(numberOrNull) };
  const measures = matrices.map(({ measure }) => measure);
  yield opened({ schema: 'tensim.measures/1', measures, correlation: rowsJson(correlation), block: scores });
  yield ',"matrices":[';
  for (const [i, matrix] of matrices.entries()) {
    if (i > 0) yield ',';
    yield* matrixBody(matrix);
  }
  yield ']}\n';
}

/** log₂ of norms, null for −∞; nothing where all inner products are in range. */
function beyondJson(beyondRange: Readonly<Record<string, Float64Array>> | undefined): object {
  if (beyondRange === undefined) return {};
  const entries = Object.entries(beyondRange).map(([name, levels]) => [name, Array.from(levels, numberOrNull)]);
  return { beyondRange: Object.fromEntries(entries) };
}

/** An object without its closing brace, to which fields are added. */
function opened(fields: object): string {
  return JSON.stringify(fields).slice(0, -1);
}

function infoJson(info: ResultInfo): ResultInfo {
  const { measure, method, exact, route, estimates, standardError, sampling, input, inputDigest, dtype, backend } =
    info;
  const law = { input, ...(inputDigest !== undefined && { inputDigest }) };
  return { measure, method, exact, route, estimates, standardError, sampling, ...law, dtype, backend };
}

function rowsJson(matrix: Matrix): (number | null)[][] {
  return matrix.map((row) => Array.from(row, numberOrNull));
}

function* rowsText(matrix: Matrix): Generator<string> {
  for (let i = 0; i < matrix.length; i++)
    yield `${i === 0 ? '[' : ','}${JSON.stringify(Array.from(matrix[i], numberOrNull))}`;
  yield matrix.length === 0 ? '[]' : ']';
}

function* listText(matrices: readonly Matrix[]): Generator<string> {
  yield '[';
  for (let i = 0; i < matrices.length; i++) {
    if (i > 0) yield ',';
    yield* rowsText(matrices[i]);
  }
  yield ']';
}

function numberOrNull(value: number | null): number | null {
  return Number.isFinite(value) ? value : null;
}

/** What sampling adds to a comparison, and to that of an output; nothing elsewhere. */
function errorsJson(part: SampledErrors & SampledSlice): SampledErrors & SampledSlice {
  const { distanceError, innerProductError, normAError, normBError, effectiveSamples, interval, reached } = part;
  return Object.fromEntries(
    Object.entries({
      distanceError,
      innerProductError,
      normAError,
      normBError,
      effectiveSamples,
      interval,
      reached,
    }).filter(([, value]) => value !== undefined),
  );
}
