import type { Pacer } from '../../cooperate.js';
import { microKernel, TILE } from '../gemm/kernel.js';
import { panelCount } from '../gemm/pack.js';
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
  const columns = panelCount(b.depth);
  const factors = new Float64Array(rows * TILE * b.depth);
  const tile = new Float64Array(TILE * TILE);
  for (let p = 0; p < rows; p++) {
    for (let q = 0; q < columns; q++) {
      microKernel(a.depth, a.factors, p * TILE * a.depth, metric, q * TILE * a.depth, tile.fill(0), 0, TILE);
      const width = Math.min(TILE, b.depth - q * TILE);
      for (let j = 0, at = (p * b.depth + q * TILE) * TILE; j < width; j++) {
        for (let i = 0; i < TILE; i++) factors[at++] = tile[TILE * i + j];
      }
      if (pacer.due(TILE * TILE * a.depth)) await pacer.pause();
    }
  }
  return { ...a, depth: b.depth, factors };
}

/** M = P P'ᵀ (m, m') in panels of four columns, the last filled up with zeros. */
async function metricOf(a: UnfoldedPart, b: UnfoldedPart, pacer: Pacer): Promise<Float64Array> {
  const depth = a.inputs;
  const metric = new Float64Array(panelCount(b.depth) * TILE * a.depth);
  const tile = new Float64Array(TILE * TILE);
  for (let q = 0; q < panelCount(b.depth); q++) {
    for (let p = 0; p < panelCount(a.depth); p++) {
      microKernel(depth, a.embedding, p * TILE * depth, b.embedding, q * TILE * depth, tile.fill(0), 0, TILE);
      const rows = Math.min(TILE, a.depth - p * TILE);
      metric.set(tile.subarray(0, TILE * rows), (q * a.depth + p * TILE) * TILE);
      if (pacer.due(TILE * TILE * depth)) await pacer.pause();
    }
  }
  return metric;
}
