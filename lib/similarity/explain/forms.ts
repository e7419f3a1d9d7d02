import { Pacer } from '../../cooperate.js';
import { type Dense, dense, type Engine, einsum, rowsOf } from './algebra.js';
import type { Difference } from './difference.js';

/** Numbers that forms may take at a time. */
const CHUNK_SIZE = 2 ** 22;

/**
 * Squared norms of a difference, per output and of its parts (MATH.md sections 3 and 10), and what the outputs have in
 * common.
 */
export interface Survey {
  /** 2‖ΔB_c‖², (o). */
  readonly quadratic: Float64Array;
  /** ‖Δw_c‖², (o). */
  readonly linear: Float64Array;
  /** (Δ E f_c)², (o). */
  readonly mean: Float64Array;
  /** What all degrees above two are, (o); null for polynomials of degree two. */
  readonly higher: Float64Array | null;
  /** Σ_c ΔB_c², (r, r). */
  readonly sum: Dense;
}

/**
 * Goes through the forms of all outputs, some at a time.
 * @param whole E (Δf_c)², (o), with the errors of these, where it is not the sum of what is found; else null.
 */
export async function survey(
  difference: Difference,
  whole: Whole | null,
  engine: Engine,
  report: (done: number) => void,
): Promise<Survey> {
  const { outputs, linear, mean, weights } = difference;
  const pacer = new Pacer(engine.signal);
  const rank = rankOf(difference);
  const quadratic = new Float64Array(outputs);
  const sum = new Float64Array(rank * rank);
  for (const [from, to] of chunks(outputs, rank)) {
    const forms = await formsOf(difference, rowsOf(weights, from, to), engine);
    const squares = await squaredNorms(forms, pacer);
    for (let c = from; c < to; c++) quadratic[c] = 2 * squares[c - from];
    if (rank > 0) {
      const part = await einsum('cpq,cqr->pr', [forms, forms], engine);
      for (let i = 0; i < sum.length; i++) sum[i] += part.data[i];
    }
    report(to);
  }
  const slopes = linear === null ? new Float64Array(outputs) : await squaredNorms(linear, pacer);
  const means = mean.map((value) => value * value);
  const left = whole?.squares.map((square, c) => {
    const rest = square - quadratic[c] - slopes[c] - means[c];
    return rest > whole.errors[c] ? rest : 0;
  });
  return { quadratic, linear: slopes, mean: means, higher: left ?? null, sum: dense(sum, rank, rank) };
}

/** Squared norms of a difference per output, (o), all degrees together, and what they can be off by. */
export interface Whole {
  readonly squares: Float64Array;
  readonly errors: Float64Array;
}

/** r, the coordinates that forms are written in. */
export function rankOf({ left }: Difference): number {
  return left.shape[1];
}

/** Ranges of outputs whose forms fit into a chunk; at least one at a time. */
export function* chunks(outputs: number, rank: number): Generator<[from: number, to: number]> {
  const size = Math.max(1, Math.floor(CHUNK_SIZE / Math.max(1, rank * rank)));
  for (let from = 0; from < outputs; from += size) yield [from, Math.min(outputs, from + size)];
}

/** ΔB_c of the outputs that some rows of the weights stand for: (c, r, r), symmetric to the bit. */
export async function formsOf(difference: Difference, weights: Dense, engine: Engine): Promise<Dense> {
  const { left, right } = difference;
  const [count, units] = weights.shape;
  const rank = rankOf(difference);
  if (rank === 0 || units === 0) return dense(new Float64Array(count * rank * rank), count, rank, rank);
  const forms = await einsum('ch,hp,hq->cpq', [weights, left, right], engine);
  await symmetrise(forms, new Pacer(engine.signal));
  return forms;
}

async function symmetrise({ data, shape: [count, size] }: Dense, pacer: Pacer): Promise<void> {
  for (let c = 0; c < count; c++) {
    for (let p = 0; p < size; p++) {
      for (let q = 0; q < p; q++) {
        const [lower, upper] = [(c * size + p) * size + q, (c * size + q) * size + p];
        data[lower] = (data[lower] + data[upper]) / 2;
        data[upper] = data[lower];
      }
      if (pacer.due(2 * p)) await pacer.pause();
    }
  }
}

/** Σ of the squares along all axes but the first. */
async function squaredNorms({ data, shape: [count] }: Dense, pacer: Pacer): Promise<Float64Array> {
  const size = data.length / count;
  const norms = new Float64Array(count);
  for (let c = 0; c < count; c++) {
    for (let start = c * size; start < (c + 1) * size; start += SLICE) {
      const end = Math.min(start + SLICE, (c + 1) * size);
      for (let i = start; i < end; i++) norms[c] += data[i] * data[i];
      if (pacer.due(end - start)) await pacer.pause();
    }
  }
  return norms;
}

/** Numbers between two looks at the clock. */
const SLICE = 4096;
