import type { Pacer } from '../../cooperate.js';
import { type Activation, activationOf } from '../../layers/activations.js';
import { kindOf } from '../../layers/table.js';
import type { Layer, LinearLayer } from '../../model/model.js';
import { type MatrixView, matrixOf, vectorOf } from '../../tensor/matrix.js';
import { foldAfter, throughLayers, weightsLastFirst } from './fold.js';

/**
 * A hidden layer, gated block or bare activation with its residual and the linear layers after it folded in: x ↦ S x +
 * D (φ(W x + b) ⊙ (U x + u)) + c, without U the factor 1.
 */
export interface UnitsForm {
  readonly activation: Activation;
  /** Of `prelu`, (h). */
  readonly slopes: Float64Array | null;
  /** W, (h, in). */
  readonly weight: MatrixView;
  readonly bias: Float64Array;
  /** U and u of a gated block. */
  readonly up: { readonly weight: MatrixView; readonly bias: Float64Array } | null;
  /** D, (o, h). */
  readonly down: MatrixView;
  /** S, (o, in); null for zero. */
  readonly skip: MatrixView | null;
  /** c, (o). */
  readonly constant: Float64Array;
}

/** @param layer of a kind with `asUnits`. */
export async function unitsForm(layer: Layer, after: readonly LinearLayer[], pacer: Pacer): Promise<UnitsForm> {
  const block = kindOf(layer).asUnits!(layer);
  const gated = block.type === 'gated';
  const weight = matrixOf(gated ? block.gate : block.weight);
  const hidden = weight.rows;
  const width = block.down?.shape[0] ?? hidden;
  const folded = await foldAfter(block, width, weightsLastFirst(after), pacer);
  const constant = vectorOf(block.downBias, width).map((c) => block.beta * c);
  return {
    activation: activationOf(block),
    slopes: block.slopes === undefined ? null : vectorOf(block.slopes, hidden),
    weight,
    bias: vectorOf(gated ? block.gateBias : block.bias, hidden),
    up: gated ? { weight: matrixOf(block.up), bias: vectorOf(block.upBias, hidden) } : null,
    down: folded.down,
    skip: folded.skip,
    constant: await throughLayers(after, constant, pacer),
  };
}
