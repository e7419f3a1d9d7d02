import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import type { Model } from '../model/model.js';
import { matrixBehaviour } from './behaviour.js';
import { cosine } from './derived.js';
import { direction } from './direction.js';
import { type Gram, gramMatrix } from './gram.js';
import { planComparison } from './measure.js';
import { type SampledGram, sampledGram } from './sampled/sampled.js';
import type { Matrix, SimilarityMatrix, SimilarityOptions } from './types.js';

/**
 * The similarities of every model with every other, symmetric to the bit and exactly 1 on the diagonal; each model is prepared
 * once, each pair computed once.
 *
 *     const { cosine, direction } = await similarityMatrix(checkpoints, { perOutput: true });
 *
 * @throws TensimError (rejects) as `similarity`; `INVALID_ARGUMENT` without models.
 */
export async function similarityMatrix(
  models: readonly Model[],
  options: SimilarityOptions = {},
): Promise<SimilarityMatrix> {
  if (!Array.isArray(models) || models.length === 0) {
    throw new TensimError('INVALID_ARGUMENT', 'similarityMatrix needs an array of at least one model');
  }
  const { sources, labels, settings, info, behaviours, sampledLaw } = await planComparison(models, options);
  const found: Gram & Partial<SampledGram> =
    sampledLaw === undefined
      ? await gramMatrix(sources, labels, settings)
      : await sampledGram(models, labels, sampledLaw, settings);
  const { total, perOutput, standardError, perOutputError, sampling } = found;
  const pacer = new Pacer(settings.signal);
  const count = models.length;
  const gram = await rowsOf(total, count, 0, 1, pacer);
  const { names } = sources;
  return {
    ...info,
    ...(standardError && { standardError: standardError.reduce((most, error) => Math.max(most, error), 0), sampling }),
    labels,
    gram,
    cosine: await cosinesOf(gram, pacer),
    ...(standardError && { cosineError: await rowsOf(standardError, count, 0, 1, pacer) }),
    ...(perOutput && { perOutput: await slicesOf(perOutput, perOutputError, count, names, pacer) }),
    ...(behaviours && { behaviour: await matrixBehaviour(behaviours, settings) }),
    direction: (first, second) => direction(gram, first, second),
  };
}

async function slicesOf(
  values: Float64Array,
  errors: Float64Array | undefined,
  count: number,
  names: readonly string[],
  pacer: Pacer,
) {
  const cosineError: Matrix[] = [];
  const gram: Matrix[] = [];
  const cosine: Matrix[] = [];
  for (let c = 0; c < names.length; c++) {
    const slice = await rowsOf(values, count, c, names.length, pacer);
    gram.push(slice);
    cosine.push(await cosinesOf(slice, pacer));
    if (errors) cosineError.push(await rowsOf(errors, count, c, names.length, pacer));
  }
  return { names, gram, cosine, ...(errors && { cosineError }) };
}

/** Slice `c` of a (count, count, size) array as rows. */
async function rowsOf(values: Float64Array, count: number, c: number, size: number, pacer: Pacer): Promise<Matrix> {
  const rows: Float64Array[] = [];
  for (let i = 0; i < count; i++) {
    const row = new Float64Array(count);
    for (let j = 0, at = i * count * size + c; j < count; j++, at += size) row[j] = values[at];
    rows.push(row);
    if (pacer.due(size === 1 ? count : 8 * count)) await pacer.pause();
  }
  return rows;
}

async function cosinesOf(gram: Matrix, pacer: Pacer): Promise<Matrix> {
  const rows: Float64Array[] = [];
  for (let i = 0; i < gram.length; i++) {
    rows.push(gram[i].map((value, j) => cosine(value, gram[i][i], gram[j][j])));
    if (pacer.due(32 * gram.length)) await pacer.pause();
  }
  return rows;
}
