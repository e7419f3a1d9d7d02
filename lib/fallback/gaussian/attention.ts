import type { Pacer } from '../../cooperate.js';
import { copyRows, type MatrixView, rowMajor, transpose } from '../../tensor/matrix.js';
import { visible } from './attention_form.js';
import { type AttentionStep, ITEMS, positionOf, projectedCovariance, setHead, V } from './attention_step.js';
import { Chains, type Item } from './chains.js';
import { blockAt, type Covariance, type Pairs, type Term, times } from './covariance.js';
import { PARTS } from './rotary.js';
import { emptySystem, setBlock } from './vector_system.js';

/** p p' as four bilinear forms of ten vectors, those of the second model numbered from `PARTS` on. */
const PAIR_ITEMS: readonly Item[] = [...ITEMS, ...ITEMS.map(([q, k]) => [q + PARTS, k + PARTS] as const)];

/**
 * The terms of Cov(out_s, out'_t) = T Cov((x, z)_s, (x', z')_t) T'ᵀ of two attention blocks, for the pairs of positions
 * asked for, in their order. Cov(x, z') and Cov(z, x') follow from the expected derivatives; Cov(z, z') takes the chain
 * recursion for every two heads and every two pairs of positions that see each other.
 */
export async function attentionTerms(
  a: AttentionStep,
  b: AttentionStep,
  cov: Covariance,
  pairs: Pairs,
  pacer: Pacer,
): Promise<Term[][]> {
  const products = await productCovariances(a, b, cov, pairs, pacer);
  const terms: Term[][] = [];
  for (const [index, [s, t]] of pairs.entries()) {
    const upper = a.form.residual ? blockAt(cov, s, t) : null;
    const upperRight = a.form.residual ? await timesSlope(cov, s, b, t, pacer) : null;
    const lowerLeft = b.form.residual ? await slopeTimes(a, s, cov, t, pacer) : null;
    const quarters = [
      [b.form.residual ? upper : null, upperRight],
      [lowerLeft, products[index]],
    ] as const;
    const heights = [a.form.residual ? a.form.inputs : 0, a.form.heads * a.form.size];
    const widths = [b.form.residual ? b.form.inputs : 0, b.form.heads * b.form.size];
    const middle = await assemble(quarters, heights, widths, pacer);
    terms.push(middle === null ? [] : [{ left: a.form.mixer, middle, right: b.form.mixer }]);
  }
  return terms;
}

/** The terms of Cov(out_s, x'_t), the other chain waiting at x'. */
export async function waitingAttentionTerms(
  a: AttentionStep,
  cov: Covariance,
  pairs: Pairs,
  pacer: Pacer,
): Promise<Term[][]> {
  const terms: Term[][] = [];
  for (const [s, t] of pairs) {
    const quarters = [[a.form.residual ? blockAt(cov, s, t) : null], [await slopeTimes(a, s, cov, t, pacer)]];
    const heights = [a.form.residual ? a.form.inputs : 0, a.form.heads * a.form.size];
    const middle = await assemble(quarters, heights, [cov.columns], pacer);
    terms.push(middle === null ? [] : [{ left: a.form.mixer, middle, right: null }]);
  }
  return terms;
}

/** Cov(z_s, x'_t) = Σ_r J_sr C_rt. */
async function slopeTimes(
  { slope, positions }: AttentionStep,
  s: number,
  cov: Covariance,
  t: number,
  pacer: Pacer,
): Promise<MatrixView | null> {
  let sum: MatrixView | null = null;
  for (let r = 0; r < positions; r++) {
    const [left, right] = [slope[s * positions + r], blockAt(cov, r, t)];
    if (left === null || right === null) continue;
    const product = await times(left, right, pacer);
    if (sum === null) sum = product;
    else for (let i = 0; i < product.data.length; i++) sum.data[i] += product.data[i];
  }
  return sum;
}

/** Cov(x_s, z'_t) = Σ_r C_sr J'_trᵀ. */
async function timesSlope(
  cov: Covariance,
  s: number,
  { slope, positions }: AttentionStep,
  t: number,
  pacer: Pacer,
): Promise<MatrixView | null> {
  let sum: MatrixView | null = null;
  for (let r = 0; r < positions; r++) {
    const [left, right] = [blockAt(cov, s, r), slope[t * positions + r]];
    if (left === null || right === null) continue;
    const product = await times(left, transpose(right), pacer);
    if (sum === null) sum = product;
    else for (let i = 0; i < product.data.length; i++) sum.data[i] += product.data[i];
  }
  return sum;
}

/** Cov(z_s, z'_t) for every pair asked for, (heads·size, heads'·size'); null for zero. */
async function productCovariances(
  a: AttentionStep,
  b: AttentionStep,
  cov: Covariance,
  pairs: Pairs,
  pacer: Pacer,
): Promise<(MatrixView | null)[]> {
  const { positions } = cov;
  const [rows, columns] = [a.form.heads * a.form.size, b.form.heads * b.form.size];
  const results: (MatrixView | null)[] = pairs.map(() => null);
  const system = emptySystem([...new Array(PARTS).fill(a.form.size), ...new Array(PARTS).fill(b.form.size)]);
  for (const [i, left] of a.heads.entries()) {
    for (const [j, right] of b.heads.entries()) {
      const cross = await projectedCovariance(a.form, i, b.form, j, cov, pacer);
      for (const [index, [s, s2]] of pairs.entries()) {
        for (const t of visible(a.form.mask, s, positions)) {
          for (const t2 of visible(b.form.mask, s2, positions)) {
            if (!meet(cross, s, t, s2, t2)) continue;
            setHead(system, 0, left, a.form.size, s, t);
            setHead(system, PARTS, right, b.form.size, s2, t2);
            for (let x = 0; x < PARTS; x++) {
              for (let y = 0; y < PARTS; y++) {
                const block = cross.blocks[positionOf(x, s, t) * positions + positionOf(y, s2, t2)];
                setBlock(system, x, PARTS + y, block, cross.columns, x * a.form.size, y * b.form.size);
              }
            }
            const chains = await Chains.over(system, PAIR_ITEMS, pacer);
            const moment = await chains.pair(V, PARTS + V);
            const means = [left.expected[s * positions + t]!, right.expected[s2 * positions + t2]!] as const;
            results[index] ??= rowMajor(new Float64Array(rows * columns), rows, columns);
            addCovariance(results[index], i * a.form.size, j * b.form.size, moment, ...means);
          }
        }
      }
    }
  }
  return results;
}

/** Whether anything at the positions (s, t) of one model is correlated with anything at (s2, t2) of the other. */
function meet({ blocks, positions }: Covariance, s: number, t: number, s2: number, t2: number): boolean {
  return [s, t].some((row) => [s2, t2].some((column) => blocks[row * positions + column] !== null));
}

/** Adds E[p v p' v'ᵀ] − E[p v] E[p' v']ᵀ from row `row` and column `column` on. */
function addCovariance(
  target: MatrixView,
  row: number,
  column: number,
  moment: Float64Array,
  left: Float64Array,
  right: Float64Array,
): void {
  for (let i = 0, from = 0; i < left.length; i++) {
    const to = (row + i) * target.columns + column;
    for (let j = 0; j < right.length; j++, from++) target.data[to + j] += moment[from] - left[i] * right[j];
  }
}

/** A matrix of blocks of the given heights and widths, null ones zero; null if all are. */
async function assemble(
  blocks: readonly (readonly (MatrixView | null)[])[],
  heights: readonly number[],
  widths: readonly number[],
  pacer: Pacer,
): Promise<MatrixView | null> {
  if (blocks.every((row) => row.every((block) => block === null))) return null;
  const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);
  const [rows, columns] = [sum(heights), sum(widths)];
  const data = new Float64Array(rows * columns);
  for (const [i, row] of blocks.entries()) {
    for (const [j, block] of row.entries()) {
      if (block === null) continue;
      const start = sum(heights.slice(0, i)) * columns + sum(widths.slice(0, j));
      await copyRows(block, 1, data, start, columns, pacer);
    }
  }
  return rowMajor(data, rows, columns);
}
