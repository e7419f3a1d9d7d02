import type { Pacer } from '../../../cooperate.js';
import type { BilinearLayer, Layer } from '../../../model/model.js';
import { addLevels, timesPower } from '../../../tensor/power.js';
import type { Tensor } from '../../../tensor/tensor.js';
import { diagonal, featuresOf, rowLevels, shifted, TO_ZERO } from '../rows.js';
import { areNear, type Choose, exponentsOf, isEven, isZero, less, shared, split, type Units } from '../units.js';
import type { LayerLevels, LayerScale } from './kind.js';
import { withResidual } from './residual.js';

export const bilinear: LayerScale = {
  levels: (layer: BilinearLayer, input, _, pacer) => bilinearLevels(layer, input, pacer),
  rescale: rescaleBilinear,
  units: ({ alpha, down }: BilinearLayer) => ({ carried: alpha !== 0, even: down === undefined, fixed: false }),
};

async function bilinearLevels(layer: BilinearLayer, input: Float64Array, pacer: Pacer): Promise<LayerLevels> {
  const { left, right, leftBias, rightBias, down, downBias } = layer;
  const features = featuresOf(input);
  const u = await rowLevels(left, leftBias, features, pacer);
  const v = await rowLevels(right, rightBias, features, pacer);
  const products = u.map((level, h) => level + v[h]);
  const block =
    down === undefined ? withBias(products, downBias) : await rowLevels(down, downBias, featuresOf(products), pacer);
  return { inner: { u, v }, out: withResidual(block, input, layer) };
}

function withBias(levels: Float64Array, bias: Tensor | undefined): Float64Array {
  return bias === undefined ? levels : levels.map((level, i) => addLevels(level, Math.log2(Math.abs(bias.data[i]))));
}

async function rescaleBilinear(
  layer: BilinearLayer,
  { inner: { u, v } }: LayerLevels,
  { from, to }: Units,
  choose: Choose,
  pacer: Pacer,
): Promise<Layer> {
  const { leftBias, rightBias, downBias } = layer;
  if (layer.down === undefined && isEven(to) && areNear(u) && areNear(v)) {
    return rescaleProducts(layer, shared(u, choose), shared(v, choose), { from, to }, pacer);
  }
  const [left, right] = [exponentsOf(u, choose), exponentsOf(v, choose)];
  const { factor, rest } = split(layer.beta, choose);
  const units = left.map((exponent, h) => (isZero(u[h] + v[h]) ? TO_ZERO : exponent + right[h] + factor));
  return {
    ...layer,
    beta: rest,
    left: await shifted(layer.left, left, from, pacer),
    right: await shifted(layer.right, right, from, pacer),
    ...(leftBias && { leftBias: await shifted(leftBias, left, null, pacer) }),
    ...(rightBias && { rightBias: await shifted(rightBias, right, null, pacer) }),
    down: await shifted(layer.down ?? diagonal(units.map(() => 1)), to, units, pacer),
    ...(downBias && { downBias: await shifted(downBias, less(to, factor), null, pacer) }),
  };
}

/** A block without D, whose products are the outputs: one unit for all, which β takes up. */
async function rescaleProducts(
  layer: BilinearLayer,
  left: Int32Array,
  right: Int32Array,
  { from, to }: Units,
  pacer: Pacer,
): Promise<Layer> {
  const { leftBias, rightBias, downBias } = layer;
  const products = left.map((exponent, h) => exponent + right[h]);
  return {
    ...layer,
    beta: timesPower(layer.beta, products[0] - to[0]),
    left: await shifted(layer.left, left, from, pacer),
    right: await shifted(layer.right, right, from, pacer),
    ...(leftBias && { leftBias: await shifted(leftBias, left, null, pacer) }),
    ...(rightBias && { rightBias: await shifted(rightBias, right, null, pacer) }),
    ...(downBias && { downBias: await shifted(downBias, products, null, pacer) }),
  };
}
