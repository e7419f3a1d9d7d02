import type { MeasureComparison } from '../similarity/series/measure_comparison.js';
import type { SliceSimilarity } from '../similarity/terms/results.js';
import type { SampledErrors, SampledSlice } from '../similarity/terms/sampling.js';
import type {
  CrossSimilarity,
  Matrix,
  PairDifference,
  ResultInfo,
  SimilarityMatrix,
  SimilarityResult,
} from '../similarity/terms/types.js';
import { degreesJson } from './degrees.js';
import { finiteOrNull, jsonPieces, numberOrNull, plain, Rows } from './json_pieces.js';
import { SCHEMAS } from './schemas.js';

/**
 * The result of a comparison as plain data, the contract `tensim.compare/1`. `perOutput` is there only if it was asked
 * for, `behaviour` only for that measure, `degrees` where the method knows them; the similarity of a slice that is zero in one of the models is null.
 */
export function compareJson(result: SimilarityResult): Record<string, unknown> {
  const { a, b, similarity, degrees, behaviour, perOutput } = result;
  return {
    schema: SCHEMAS.compare,
    a,
    b,
    ...infoJson(result),
    similarity: numberOrNull(similarity),
    ...pairJson(result),
    ...(degrees && { degrees }),
    ...(behaviour && { behaviour }),
    ...(perOutput && {
      perOutput: perOutput.map((slice) => ({
        name: slice.name,
        similarity: numberOrNull(slice.similarity),
        ...(slice.standardError !== undefined && { standardError: slice.standardError }),
        ...pairJson(slice),
      })),
    }),
  };
}

/** The JSON text of a comparison, in pieces. */
export function* compareJsonText(result: SimilarityResult): Generator<string> {
  yield* jsonPieces(compareJson(result));
  yield '\n';
}

/** The numbers of two models, or of one output of them. */
function pairJson(part: SimilarityResult | SliceSimilarity): object {
  const { innerProduct, normA, normB, beyondRange } = part;
  return {
    ...differenceJson(part),
    innerProduct: numberOrNull(innerProduct),
    normA: numberOrNull(normA),
    normB: numberOrNull(normB),
    ...(beyondRange && { beyondRange }),
    ...errorsJson(part),
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
  return plain(matrixFields(matrix));
}

/** The JSON text of a matrix in pieces of one row each. */
export function* matrixJsonText(matrix: SimilarityMatrix): Generator<string> {
  yield* jsonPieces(matrixFields(matrix));
  yield '\n';
}

function matrixFields(matrix: SimilarityMatrix): object {
  const { labels, window, behaviour, work } = matrix;
  return {
    schema: SCHEMAS.matrix,
    labels,
    ...(matrix.order && { order: matrix.order }),
    ...(matrix.leaves && { leaves: matrix.leaves }),
    ...infoJson(matrix),
    window,
    same: work.same,
    ...beyondJson(matrix.beyondRange),
    ...cellsJson(matrix),
    ...(behaviour && {
      behaviour: {
        inputs: behaviour.inputs,
        agreement: new Rows(behaviour.agreement),
        cka: new Rows(behaviour.cka),
      },
    }),
    ...outputsJson(matrix),
    ...(matrix.degrees && { degrees: degreesJson(matrix.degrees) }),
  };
}

type Cells = Pick<SimilarityMatrix, 'cosine' | 'cosineError' | 'gram' | 'perOutput'>;

function cellsJson({ cosine, cosineError, gram }: Cells): object {
  return {
    cosine: new Rows(cosine),
    ...(cosineError && { cosineError: new Rows(cosineError) }),
    gram: new Rows(gram),
  };
}

function outputsJson({ perOutput }: Cells): object {
  if (perOutput === undefined) return {};
  const { names, cosine, cosineError, gram } = perOutput;
  const rows = (matrices: readonly Matrix[]) => matrices.map((matrix) => new Rows(matrix));
  return {
    perOutput: {
      names,
      cosine: rows(cosine),
      ...(cosineError && { cosineError: rows(cosineError) }),
      gram: rows(gram),
    },
  };
}

/** Rows against columns as plain data, the contract `tensim.cross/1`. */
export function crossJson(cross: CrossSimilarity): Record<string, unknown> {
  return plain(crossFields(cross));
}

/** The same as JSON in pieces. */
export function* crossJsonText(cross: CrossSimilarity): Generator<string> {
  yield* jsonPieces(crossFields(cross));
  yield '\n';
}

function crossFields(cross: CrossSimilarity): object {
  const { rows, columns, rowNorms, columnNorms } = cross;
  return {
    schema: SCHEMAS.cross,
    rows,
    columns,
    ...infoJson(cross),
    rowNorms: finiteOrNull(rowNorms),
    columnNorms: finiteOrNull(columnNorms),
    ...beyondJson(cross.beyondRange),
    ...cellsJson(cross),
    ...outputsJson(cross),
    ...(cross.degrees && { degrees: degreesJson(cross.degrees) }),
  };
}

/** Matrices by several measures as plain data, the contract `tensim.measures/1`; each is a `tensim.matrix/1`. */
export function measuresJson(comparison: MeasureComparison): Record<string, unknown> {
  return plain(measuresFields(comparison));
}

/** The same as JSON in pieces. */
export function* measuresJsonText(comparison: MeasureComparison): Generator<string> {
  yield* jsonPieces(measuresFields(comparison));
  yield '\n';
}

function measuresFields({ matrices, correlation, block }: MeasureComparison): object {
  return {
    schema: SCHEMAS.measures,
    measures: matrices.map(({ measure }) => measure),
    correlation: new Rows(correlation),
    block: block && { start: matrices[0].labels[block.start], scores: block.scores.map(numberOrNull) },
    matrices: matrices.map(matrixFields),
  };
}

/** log₂ of norms, null for −∞; nothing where all inner products are in range. */
function beyondJson(beyondRange: Readonly<Record<string, Float64Array>> | undefined): object {
  if (beyondRange === undefined) return {};
  return {
    beyondRange: Object.fromEntries(Object.entries(beyondRange).map(([name, levels]) => [name, finiteOrNull(levels)])),
  };
}

function infoJson(info: ResultInfo): ResultInfo {
  const { measure, method, exact, route, estimates, standardError, sampling, weighed } = info;
  const { input, inputDigest, dtype, tf32, backend, devices, mixed } = info;
  const proven = info.certified !== undefined && { certified: info.certified };
  const law = { input, ...(inputDigest !== undefined && { inputDigest }) };
  const costs = { route, estimates, ...(weighed !== undefined && { weighed }) };
  return {
    measure,
    method,
    exact,
    ...proven,
    ...costs,
    standardError,
    sampling,
    ...law,
    dtype,
    ...(tf32 && { tf32 }),
    backend,
    ...(devices !== undefined && { devices }),
    ...(mixed && { mixed }),
  };
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
