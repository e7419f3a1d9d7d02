import { TensimError } from '../errors.js';
import { checkFollowing } from '../layers/chains.js';
import type { Typed } from '../layers/kind.js';
import { degreeOf, type LayerOf, partsOf } from '../layers/layer.js';
import type { NamedShape, ShapeReport } from '../layers/shapes.js';
import { kindOf } from '../layers/table.js';

/** What a chain of layers maps to what. */
export interface ChainInfo {
  readonly inputs: number;
  readonly outputs: number;
  /**
   * Polynomial degree of the output in the input, the product of the layers' degrees; null where a layer is no
   * polynomial.
   */
  readonly degree: number | null;
}

/**
 * Checks that the parts of every layer fit each other and every layer takes what the one before it gives. It needs
 * shapes only, so that a checkpoint is judged by its header before any weight is read.
 * @throws TensimError `SHAPE_MISMATCH` naming the layer (counted from 1) and the tensors; `INVALID_ARGUMENT` for an
 * empty chain, or a number of a layer that cannot be right.
 */
export function checkChain(layers: readonly LayerOf<NamedShape>[], positions: number, file?: string): ChainInfo {
  if (layers.length === 0) throw new TensimError('INVALID_ARGUMENT', 'a model needs at least one layer', place(file));
  const reportOf = (index: number, layer: Typed) => reportOn(`layer ${index + 1} (${layer.type})`, file);
  const { takes: inputs, gives: outputs } = checkFollowing(layers, reportOf, kindOf);
  for (const [index, layer] of layers.entries()) {
    const most = kindOf(layer).mostPositions?.(layer) ?? positions;
    if (most >= positions) continue;
    const [, part = null] = partsOf(layer)[0] ?? [];
    reportOf(index, layer).refuse(part, `has ${most} positions, but inputs of the model have ${positions}`);
  }
  return { inputs, outputs, degree: degreeOf(layers) };
}

function reportOn(title: string, file: string | undefined): ShapeReport {
  return {
    refuse: (part, problem) => {
      const where = { ...place(file), ...(part !== null && { tensor: part.name }) };
      throw new TensimError('SHAPE_MISMATCH', `${title}: ${problem}`, where);
    },
    fail: (problem) => {
      throw new TensimError('INVALID_ARGUMENT', `${title}: ${problem}`, place(file));
    },
  };
}

const place = (file: string | undefined): { file?: string } => (file === undefined ? {} : { file });
