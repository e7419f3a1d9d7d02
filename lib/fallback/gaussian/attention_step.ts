import type { Pacer } from '../../cooperate.js';
import type { AttentionLayer, LinearLayer } from '../../model/model.js';
import { type MatrixView, rowMajor, transpose } from '../../tensor/matrix.js';
import { multiply, multiplyVector } from '../gemm/gemm.js';
import { type AttentionForm, attentionForm, projectedMean, visible } from './attention_form.js';
import { Chains, type Item } from './chains.js';
import { at, blockAt, type Covariance, type PerPosition, times } from './covariance.js';
import { PARTS } from './rotary.js';
import { emptySystem, setBlock, setMean, type VectorSystem } from './vector_system.js';

/** The number of each of the five vectors of a head in a system of them. */
export const [Q1, K1, Q2, K2, V] = [0, 1, 2, 3, 4];
/** p = (q1·k1)(q2·k2) as two bilinear forms. */
export const ITEMS: readonly Item[] = [
  [Q1, K1],
  [Q2, K2],
];

/** An attention block with what its input makes of it (MATH.md section 6). */
export interface AttentionStep {
  readonly type: 'attention';
  readonly form: AttentionForm;
  readonly positions: number;
  readonly heads: readonly HeadMoments[];
  /**
   * E ∂z_s/∂x_t at s·positions + t, (heads·size, d); null for zero. Cov(x', z_s) = Σ_t C(x', x_t) times its transpose.
   */
  readonly slope: readonly (MatrixView | null)[];
}

/** Moments of the queries, keys and values of one head, rotated. */
export interface HeadMoments {
  /** Per position, (5·size). */
  readonly mean: readonly Float64Array[];
  /** Of every two positions, (5·size, 5·size). */
  readonly cov: Covariance;
  /** E[p v] at s·positions + t, (size); null where t is not visible. */
  readonly expected: readonly (Float64Array | null)[];
}

/** @param mean,cov of the input, of every position. */
export async function prepareAttention(
  layer: AttentionLayer,
  after: readonly LinearLayer[],
  mean: PerPosition<Float64Array>,
  cov: Covariance,
  pacer: Pacer,
): Promise<{ step: AttentionStep; mean: Float64Array[] }> {
  const form = await attentionForm(layer, after, pacer);
  const { positions } = cov;
  const width = form.heads * form.size;
  const slope: (MatrixView | null)[] = new Array(positions ** 2).fill(null);
  const values = mean.map(() => new Float64Array(width));
  const heads: HeadMoments[] = [];
  for (let head = 0; head < form.heads; head++) {
    const projection = form.projections[head];
    const means: Float64Array[] = [];
    for (const [s, x] of mean.entries()) means.push(await projectedMean(form, head, x, s, pacer));
    const moments = { mean: means, cov: await projectedCovariance(form, head, form, head, cov, pacer) };
    const { expected, derivatives } = await headMoments(form, positions, moments, pacer);
    heads.push({ ...moments, expected });
    for (const [index, value] of expected.entries()) {
      if (value !== null) addInto(values[Math.floor(index / positions)], value, head * form.size);
    }
    for (const [index, derivative] of derivatives.entries()) {
      if (derivative === null) continue;
      const rows = await multiply(rowMajor(derivative, form.size, PARTS * form.size), projection, pacer);
      slope[index] ??= rowMajor(new Float64Array(width * form.inputs), width, form.inputs);
      (slope[index].data as Float64Array).set(rows, head * form.size * form.inputs);
    }
  }
  const means: Float64Array[] = [];
  for (const [s, x] of mean.entries()) {
    const inner = form.residual ? Float64Array.from([...x, ...values[s]]) : values[s];
    means.push(await multiplyVector(form.mixer, inner, form.constant, pacer));
  }
  return { step: { type: 'attention', form, positions, heads, slope }, mean: means };
}

/** The covariance of the five vectors of a head of one model with those of a head of another, rotated. */
export async function projectedCovariance(
  a: AttentionForm,
  headA: number,
  b: AttentionForm,
  headB: number,
  cov: Covariance,
  pacer: Pacer,
): Promise<Covariance> {
  const { positions } = cov;
  const [rows, columns] = [PARTS * a.size, PARTS * b.size];
  // Positions that are alike share a block, and its product.
  const products = new Map<unknown, Float64Array>();
  const blocks: (Float64Array | null)[] = [];
  for (let s = 0; s < positions; s++) {
    for (let t = 0; t < positions; t++) {
      const block = blockAt(cov, s, t);
      if (block === null) {
        blocks.push(null);
        continue;
      }
      let product = products.get(block.data);
      if (product === undefined) {
        const half = await times(a.projections[headA], block, pacer);
        product = await multiply(half, transpose(b.projections[headB]), pacer);
        products.set(block.data, product);
      }
      const turned = a.rotary.isIdentity(s) && b.rotary.isIdentity(t) ? product : product.slice();
      a.rotary.turnRows(turned, columns, s);
      b.rotary.turnColumns(turned, rows, t);
      blocks.push(turned);
      if (pacer.due(rows * columns)) await pacer.pause();
    }
  }
  return { positions, rows, columns, blocks };
}

/** Where the five vectors of position s looking at position t stand. */
export function positionOf(vector: number, s: number, t: number): number {
  return vector === Q1 || vector === Q2 ? s : t;
}

/** Puts the five vectors of a head into a system, from number `first` on. */
export function setHead(
  system: VectorSystem,
  first: number,
  { mean, cov }: Pick<HeadMoments, 'mean' | 'cov'>,
  size: number,
  s: number,
  t: number,
): void {
  for (let x = 0; x < PARTS; x++) {
    const own = positionOf(x, s, t);
    setMean(system, first + x, at(mean, own), x * size);
    for (let y = x; y < PARTS; y++) {
      const block = cov.blocks[own * cov.positions + positionOf(y, s, t)];
      setBlock(system, first + x, first + y, block, cov.columns, x * size, y * size);
    }
  }
}

/**
 * E[p v] of every visible pair, and E ∂z_s/∂(q1, k1, q2, k2, v)_t before the rotation, (size, 5·size): by the product
 * rule ∂p v/∂q1 = v k1ᵀ (q2·k2) and so on.
 */
async function headMoments(
  form: AttentionForm,
  positions: number,
  moments: Pick<HeadMoments, 'mean' | 'cov'>,
  pacer: Pacer,
): Promise<{ expected: (Float64Array | null)[]; derivatives: (Float64Array | null)[] }> {
  const { size, rotary } = form;
  const width = PARTS * size;
  const expected: (Float64Array | null)[] = new Array(positions ** 2).fill(null);
  const derivatives: (Float64Array | null)[] = new Array(positions ** 2).fill(null);
  const system = emptySystem(new Array(PARTS).fill(size));
  for (let s = 0; s < positions; s++) {
    for (const t of visible(form.mask, s, positions)) {
      setHead(system, 0, moments, size, s, t);
      const both = await Chains.over(system, ITEMS, pacer);
      expected[s * positions + t] = await both.vector(V);
      const queries = new Float64Array(size * width);
      const others = new Float64Array(size * width);
      for (const [index, [q, k]] of ITEMS.entries()) {
        const other = await Chains.over(system, [ITEMS[1 - index]], pacer);
        setPart(queries, await other.pair(V, k), q, size);
        setPart(others, await other.pair(V, q), k, size);
      }
      const product = both.product();
      for (let i = 0; i < size; i++) others[i * width + V * size + i] = product;
      rotary.timesRotation(queries, size, s);
      rotary.timesRotation(others, size, t);
      for (const [at, part] of [
        [s * positions + s, queries],
        [s * positions + t, others],
      ] as const) {
        derivatives[at] ??= new Float64Array(size * width);
        addInto(derivatives[at], part, 0);
      }
    }
  }
  return { expected, derivatives };
}

/** Writes a (size, size) block into the columns of a part of a (size, 5·size) matrix. */
function setPart(target: Float64Array, block: Float64Array, part: number, size: number): void {
  for (let i = 0; i < size; i++) {
    target.set(block.subarray(i * size, (i + 1) * size), i * PARTS * size + part * size);
  }
}

function addInto(target: Float64Array, term: Float64Array, start: number): void {
  for (let i = 0; i < term.length; i++) target[start + i] += term[i];
}
