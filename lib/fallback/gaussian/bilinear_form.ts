import type { Pacer } from '../../cooperate.js';
import type { BilinearLayer, LinearLayer } from '../../model/model.js';
import { copyRows, type MatrixView, matrixOf, rowMajor, vectorOf } from '../../tensor/matrix.js';
import { foldAfter, throughLayers, weightsLastFirst } from './fold.js';

/**
 * A bilinear block with its residual and the linear layers after it folded in: x ↦ S x + D((L x + l) ⊙ (R x + r)) + c.
 */
export interface BilinearForm {
  /** h. */
  readonly hidden: number;
  /** (2h, in): the rows of L, then those of R. */
  readonly factors: MatrixView;
  /** (2h): l, then r. */
  readonly biases: Float64Array;
  /** D, (o, h). */
  readonly down: MatrixView;
  /** S, (o, in); null for zero. */
  readonly skip: MatrixView | null;
  /** c, (o). */
  readonly constant: Float64Array;
}

export async function bilinearForm(
  block: BilinearLayer,
  after: readonly LinearLayer[],
  pacer: Pacer,
): Promise<BilinearForm> {
  const [left, right] = [matrixOf(block.left), matrixOf(block.right)];
  const { rows: hidden, columns } = left;
  const width = block.down?.shape[0] ?? hidden;
  const factors = new Float64Array(2 * hidden * columns);
  await copyRows(left, 1, factors, 0, columns, pacer);
  await copyRows(right, 1, factors, hidden * columns, columns, pacer);
  const biases = new Float64Array(2 * hidden);
  biases.set(vectorOf(block.leftBias, hidden));
  biases.set(vectorOf(block.rightBias, hidden), hidden);
  const constant = vectorOf(block.downBias, width).map((c) => block.beta * c);
  return {
    hidden,
    factors: rowMajor(factors, 2 * hidden, columns),
    biases,
    ...(await foldAfter(block, width, weightsLastFirst(after), pacer)),
    constant: await throughLayers(after, constant, pacer),
  };
}
