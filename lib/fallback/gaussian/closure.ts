import type { ChainSource } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { Typed } from '../../layers/kind.js';
import { kindOf } from '../../layers/table.js';
import type { LinearLayer } from '../../model/model.js';
import type { MatrixView } from '../../tensor/matrix.js';
import { multiplyChain } from '../gemm/chain.js';
import type { ClosureKind } from '../layers/kind.js';
import { fallbackLayers } from '../layers/table.js';
import {
  addDiagonal,
  at,
  blockAt,
  type Covariance,
  flipped,
  independent,
  mergeTerms,
  type Pairs,
  type PerPosition,
  sumOfTerms,
  type Term,
  transposed,
} from './covariance.js';
import { meanOf, throughInputs, throughLayers, weightsLastFirst } from './fold.js';
import { type Stage, stagesOf } from './stages.js';

/** A block and, if folding it in would make it larger, the matrix of the linear layers behind it. */
interface ClosureStep {
  readonly block: Typed;
  readonly outer: MatrixView | null;
}

/** A chain ready for the Gaussian closure (MATH.md section 6): everything that depends on one model alone. */
export interface PreparedClosure {
  readonly kind: 'closure';
  /** k, the size of the whitened input. */
  readonly inputs: number;
  readonly outputs: number;
  readonly positions: number;
  /** Whether positions mix. If not they stay alike and independent, and one stands for all. */
  readonly mixes: boolean;
  /** x = mean + F z in front of the first block, (m, k). */
  readonly entry: MatrixView;
  readonly steps: readonly ClosureStep[];
  /** E f of every position. */
  readonly mean: PerPosition<Float64Array>;
  /** ⟨f_c, f_c⟩, per output. */
  readonly self: Float64Array;
}

/**
 * Carries the mean and the covariance of one model with itself through its blocks, keeping what pairs need.
 */
export async function prepareClosure(source: ChainSource, pacer: Pacer): Promise<PreparedClosure> {
  const { before, stages } = stagesOf(source.layers);
  const entry = await throughInputs([], weightsLastFirst(before), source, pacer);
  const mixes = stages.some(({ block }) => kindOf(block).mixesPositions);
  const positions = mixes ? source.positions : 1;
  let mean: PerPosition<Float64Array> = [await throughLayers(before, meanOf(source), pacer)];
  if (mixes) mean = Array.from({ length: positions }, () => mean[0]);
  const steps: ClosureStep[] = [];
  let cov = await independent(entry, entry, positions, pacer);
  for (const [index, stage] of stages.entries()) {
    if (index > 0) cov = await advance(steps[index - 1], steps[index - 1], cov, pacer);
    const prepared = await prepareStep(stage, mean, cov, pacer);
    mean = prepared.mean;
    steps.push(prepared.step);
  }
  const outputs = mean[0].length;
  const model = { kind: 'closure', inputs: entry.columns, outputs, positions: source.positions } as const;
  const prepared: PreparedClosure = { ...model, mixes, entry, steps, mean, self: new Float64Array(outputs) };
  await finish(prepared, prepared, cov, prepared.self, pacer);
  return prepared;
}

async function prepareStep(
  { block, after }: Stage,
  mean: PerPosition<Float64Array>,
  cov: Covariance,
  pacer: Pacer,
): Promise<{ step: ClosureStep; mean: PerPosition<Float64Array> }> {
  const width = kindOf(block).widths(block).gives;
  const folds = after.length > 0 && after.at(-1)!.weight.shape[0] <= width;
  const inner = folds ? after : [];
  const prepared = await closureOf(block).prepare(block, inner, mean, cov, pacer);
  if (folds || after.length === 0) return { step: { block: prepared.step, outer: null }, mean: prepared.mean };
  return {
    step: { block: prepared.step, outer: await multiplyChain(weightsLastFirst(after), pacer) },
    mean: await throughEach(after, prepared.mean, pacer),
  };
}

async function throughEach(layers: readonly LinearLayer[], means: PerPosition<Float64Array>, pacer: Pacer) {
  const result: Float64Array[] = [];
  for (const mean of means) result.push(await throughLayers(layers, mean, pacer));
  return result;
}

/**
 * ⟨f_c, g_c⟩ per output: Σ_s m_s m'_s + C_ss at the end. The blocks of both are passed in step, the first with the
 * first; the shorter chain then waits. Since this is one schedule for all models, every Gram matrix is that of random
 * vectors and so positive semi-definite.
 * @throws TensimError `UNSUPPORTED_LAYER` if blocks of different kinds meet.
 */
export async function closureSlices(
  a: PreparedClosure,
  b: PreparedClosure,
  result: Float64Array,
  pacer: Pacer,
): Promise<void> {
  const positions = a.mixes || b.mixes ? a.positions : 1;
  let cov = await independent(a.entry, b.entry, positions, pacer);
  const depth = Math.max(a.steps.length, b.steps.length);
  for (let i = 0; i < depth - 1; i++) cov = await advance(a.steps[i], b.steps[i], cov, pacer);
  await finish(a, b, cov, result, pacer);
}

/** The inner products from the covariance in front of the last block, of which only the diagonal is computed. */
async function finish(
  a: PreparedClosure,
  b: PreparedClosure,
  cov: Covariance,
  result: Float64Array,
  pacer: Pacer,
): Promise<void> {
  const { positions } = cov;
  const last = Math.max(a.steps.length, b.steps.length) - 1;
  result.fill(0);
  for (let s = 0; s < positions; s++) {
    const [mean, other] = [at(a.mean, s), at(b.mean, s)];
    for (let c = 0; c < result.length; c++) result[c] += mean[c] * other[c];
  }
  const [left, right] = [a.steps[last], b.steps[last]];
  const pairs = Array.from({ length: positions }, (_, s) => [s, s] as const);
  const terms = await mergeTerms((await outputTerms(left, right, cov, pairs, pacer)).flat(), pacer);
  const outerLeft = left?.outer ?? null;
  const outerRight = right?.outer ?? null;
  if (outerLeft === null && outerRight === null) {
    for (const term of terms) await addDiagonal(result, term, pacer);
  } else {
    const middle = await sumOfTerms(terms, pacer);
    if (middle !== null) await addDiagonal(result, { left: outerLeft, middle, right: outerRight }, pacer);
  }
  const alike = a.positions / positions;
  for (let c = 0; c < result.length; c++) result[c] *= alike;
}

/** Cov(f(x)_s, g(x)_t) of all positions after one block of each; a chain that is at its end waits. */
async function advance(
  a: ClosureStep | undefined,
  b: ClosureStep | undefined,
  cov: Covariance,
  pacer: Pacer,
): Promise<Covariance> {
  const { positions } = cov;
  const pairs = Array.from({ length: positions ** 2 }, (_, i) => [Math.floor(i / positions), i % positions] as const);
  const blocks: (MatrixView | null)[] = [];
  for (const terms of await outputTerms(a, b, cov, pairs, pacer)) {
    const inner = await sumOfTerms(terms, pacer);
    const outer = { left: a?.outer ?? null, right: b?.outer ?? null };
    blocks.push(inner === null ? null : await sumOfTerms([{ ...outer, middle: inner }], pacer));
  }
  return {
    positions,
    rows: a === undefined ? cov.rows : outputsOf(a),
    columns: b === undefined ? cov.columns : outputsOf(b),
    blocks: blocks.map((block) => block && (block.data as Float64Array)),
  };
}

function outputsOf({ block, outer }: ClosureStep): number {
  return outer === null ? closureOf(block).outputs(block) : outer.rows;
}

/** The terms of the covariance of what the blocks give, in front of the outer layers, for each pair of positions. */
async function outputTerms(
  a: ClosureStep | undefined,
  b: ClosureStep | undefined,
  cov: Covariance,
  pairs: Pairs,
  pacer: Pacer,
): Promise<Term[][]> {
  if (a === undefined && b === undefined) {
    return pairs.map(([s, t]) => {
      const middle = blockAt(cov, s, t);
      return middle === null ? [] : [{ left: null, middle, right: null }];
    });
  }
  if (a === undefined) {
    const other = await transposed(cov, pacer);
    const swapped = await outputTerms(
      b,
      a,
      other,
      pairs.map(([s, t]) => [t, s] as const),
      pacer,
    );
    const turned: Term[][] = [];
    for (const terms of swapped) {
      const back: Term[] = [];
      for (const term of terms) back.push(await flipped(term, pacer));
      turned.push(back);
    }
    return turned;
  }
  const { terms, waiting } = closureOf(a.block);
  if (b === undefined) return waiting(a.block, cov, pairs, pacer);
  if (a.block.type === b.block.type) return terms(a.block, b.block, cov, pairs, pacer);
  const [one, other] = [a, b].map(({ block }) => kindOf(block).words.noun);
  throw new TensimError('UNSUPPORTED_LAYER', `${one} stands where the other model has ${other}`, {
    hint: 'Chains are compared block by block, and their blocks must be of the same kinds in the same order',
  });
}

/** @throws TensimError `UNSUPPORTED_LAYER` for a kind of block that the closure does not take. */
function closureOf({ type }: Typed): ClosureKind {
  const { closure } = fallbackLayers.of(type);
  if (closure !== undefined) return closure;
  throw new TensimError('UNSUPPORTED_LAYER', `the method "closure" does not know ${type} layers`);
}
