import type { Pacer } from '../../cooperate.js';
import { TILE } from '../gemm/kernel.js';
import { panelCount } from '../gemm/pack.js';
import { multiplyPanels, type Panels } from '../gemm/tiles.js';
import type { QuadraticPart } from './pair_kernel.js';

/** The factors of a model beside its embedding P (m, k), packed in panels of four rows (see `packRows`). */
export interface UnfoldedPart extends QuadraticPart {
  /** k. */
  readonly inputs: number;
  readonly embedding: Float64Array;
}

/**
 * The factors of `a` ready to meet those of `b`: with embeddings P and P', the rows of L and R are multiplied by the
 * metric M = P P'ᵀ, and the pair kernel then contracts over m' (MATH.md section 3). All of it is done on packed panels:
 *
 *     panels of P ┐
 *                 ├─► panels of columns of M ┐
 *     panels of P'┘                          ├─► panels of rows of [L; R]·M
 *                          panels of [L; R] ─┘
 */
export async function throughMetric(a: UnfoldedPart, b: UnfoldedPart, pacer: Pacer): Promise<QuadraticPart> {
  const metric = await metricOf(a, b, pacer);
  const rows = panelCount(2 * a.units);
  const factors = new Float64Array(rows * TILE * b.depth);
  const whole = (data: Float64Array, count: number) => panelsOf(data, count, a.depth);
  await multiplyPanels(a.depth, whole(a.factors, rows), whole(metric, panelCount(b.depth)), pacer, (tiles, p, q) => {
    const end = (p + 1) * b.depth * TILE;
    for (let tile = 0, to = (p * b.depth + q * TILE) * TILE; tile < tiles.length; tile += TILE * TILE) {
      for (let j = 0; j < TILE && to < end; j++) {
        for (let i = 0; i < TILE; i++) factors[to++] = tiles[tile + TILE * i + j];
      }
    }
  });
  return { ...a, depth: b.depth, factors };
}

/** M = P P'ᵀ (m, m') in panels of four columns, the last filled up with zeros. */
async function metricOf(a: UnfoldedPart, b: UnfoldedPart, pacer: Pacer): Promise<Float64Array> {
  const depth = a.inputs;
  const metric = new Float64Array(panelCount(b.depth) * TILE * a.depth);
  const embedding = ({ embedding: data, depth: rows }: UnfoldedPart) => panelsOf(data, panelCount(rows), depth);
  await multiplyPanels(depth, embedding(a), embedding(b), pacer, (tiles, p, q) => {
    const length = TILE * Math.min(TILE, a.depth - p * TILE);
    for (let tile = 0, to = (q * a.depth + p * TILE) * TILE; tile < tiles.length; tile += TILE * TILE) {
      metric.set(tiles.subarray(tile, tile + length), to);
      to += a.depth * TILE;
    }
  });
  return metric;
}

function panelsOf(data: Float64Array, count: number, depth: number): Panels {
  return { data, at: 0, count, size: TILE * depth };
}
