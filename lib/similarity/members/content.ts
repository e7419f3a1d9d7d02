import { createHash } from 'node:crypto';
import { Pacer } from '../../cooperate.js';
import { canHaveResidual, mapLayer, partsOf, residualOf } from '../../layers/layer.js';
import { layerKinds } from '../../layers/table.js';
import { contiguous } from '../../model/contiguous.js';
import type { Layer, Model } from '../../model/model.js';
import { mantissaOf, toMantissas } from '../../tensor/power.js';
import { sizeOf, type Tensor } from '../../tensor/tensor.js';

/** Bytes hashed between two chances to yield. */
const HASH_CHUNK = 1 << 20;

/** A digest of everything a comparison can depend on: the layers with their numbers, and the parameters by name. */
export async function contentIdentity(model: Model): Promise<string> {
  const pacer = new Pacer();
  const hash = createHash('sha256');
  hash.update(structure(model));
  for (const [name, tensor] of tensorsOf(model)) {
    const { data } = contiguous(tensor, name);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    for (let at = 0; at < bytes.length; at += HASH_CHUNK) {
      hash.update(bytes.subarray(at, at + HASH_CHUNK));
      if (pacer.due(HASH_CHUNK)) await pacer.pause();
    }
  }
  return hash.digest('hex');
}

/** Elements of every tensor that go into a sketch. */
const SKETCHED = 8;

/**
 * The same for the same content, and nearly always another for another, at a small part of the cost of a digest: some
 * elements of every tensor, evenly spread. Powers of two in the weights leave it as it is.
 * @param most the first so many tensors; models of the same structure have sketches of the same length.
 */
export function contentSketch(model: Model, most?: number): string {
  const tensors = tensorsOf(model, most);
  const elements = new Float64Array(SKETCHED * tensors.length);
  for (const [t, [, tensor]] of tensors.entries()) spread(tensor, elements, SKETCHED * t);
  toMantissas(elements);
  return structure(model, mantissaOf) + Buffer.from(elements.buffer).toString('latin1');
}

/** Puts some elements of a tensor to where `at` is. */
function spread({ data, shape, strides }: Tensor, elements: Float64Array, at: number): void {
  const last = sizeOf(shape) - 1;
  for (let k = 0; k < SKETCHED; k++)
    elements[at + k] = data[offset(Math.floor((k * last) / (SKETCHED - 1)), shape, strides)];
}

/** @param number what becomes of the numbers that layers have beside their tensors. */
function structure({ layers, parameters, inputShape: [positions] }: Model, number = (x: number) => x): string {
  const kinds = layers.filter(isKnown).map((layer) => {
    const kind = mapLayer(layer, ({ data, shape }) => [data.constructor.name, ...shape]);
    if (!canHaveResidual(layer)) return kind;
    const { alpha, beta } = residualOf(layer);
    return { ...kind, alpha: number(alpha), beta: number(beta) };
  });
  const names = [...parameters].map(([name, { data, shape }]) => [name, data.constructor.name, ...shape]);
  return JSON.stringify([positions, kinds, names]);
}

function tensorsOf({ layers, parameters }: Model, most = Number.POSITIVE_INFINITY): [name: string, tensor: Tensor][] {
  const found: [string, Tensor][] = [];
  for (const layer of layers) {
    if (found.length >= most) break;
    for (const part of isKnown(layer) ? partsOf(layer) : []) found.push(part);
  }
  for (const parameter of found.length < most ? parameters : []) found.push(parameter);
  return found.slice(0, most);
}

/** Others are refused when the comparison is planned. */
const isKnown = ({ type }: Layer): boolean => layerKinds.has(type);

/** Where the element lies that is the `index`th in row-major order. */
function offset(index: number, shape: readonly number[], strides: readonly number[] | undefined): number {
  if (strides === undefined) return index;
  let at = 0;
  for (let axis = shape.length - 1, rest = index; axis >= 0; axis--) {
    at += (rest % shape[axis]) * strides[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return at;
}
