import { TensimError } from '../errors.js';
import { FLOAT_BYTES, isFloatFormat } from '../tensor/convert.js';
import { sizeOf, type Tensor } from '../tensor/tensor.js';
import { type ChainInfo, checkChain, type NamedShape } from './chain.js';
import { type LayerOf, mapLayer, partsOf } from './layer.js';

/** The part of a checkpoint's listing that recognising a model needs. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

export type Tensors = ReadonlyMap<string, TensorInfo>;

/** Where a part of a layer lies: a tensor of the checkpoint, or the first or second half of its rows. */
export interface Place {
  readonly tensor: string;
  readonly half?: 'first' | 'second';
}

/** A model as its layers' places in a checkpoint, before any weight is read. */
export interface Blueprint {
  /** `bilinear`, `deep` or `custom`. */
  readonly family: string;
  readonly layers: readonly LayerOf<Place>[];
}

/** The names of the tensors a blueprint uses, in the order of the checkpoint. */
export function usedTensors(blueprint: Blueprint, tensors: Tensors): string[] {
  const used = new Set(blueprint.layers.flatMap((layer) => partsOf(layer).map(([, place]) => place.tensor)));
  return [...tensors.keys()].filter((name) => used.has(name));
}

/**
 * Checks a blueprint, all of whose tensors are in the checkpoint, by their types and shapes.
 * @throws TensimError `UNSUPPORTED_DTYPE` or `SHAPE_MISMATCH` naming the tensor.
 */
export function checkBlueprint(blueprint: Blueprint, tensors: Tensors, file: string): ChainInfo {
  for (const name of usedTensors(blueprint, tensors)) {
    const { dtype } = tensors.get(name) as TensorInfo;
    if (!isFloatFormat(dtype)) {
      throw new TensimError('UNSUPPORTED_DTYPE', `has element type ${dtype}, which cannot be a weight`, {
        file,
        tensor: name,
        hint: `Weights are of type ${Object.keys(FLOAT_BYTES).join(', ')}`,
      });
    }
  }
  return checkChain(
    blueprint.layers.map((layer) => mapLayer(layer, (place) => namedShape(place, tensors, file))),
    file,
  );
}

/** The shape at a place, whose tensor must be there and, for a half, have an even number of rows. */
export function shapeAt({ tensor, half }: Place, tensors: Tensors): readonly number[] {
  const { shape } = tensors.get(tensor) as TensorInfo;
  return half === undefined ? shape : halfOf(shape);
}

/** The tensor at a place: a view, never a copy. */
export function tensorAt({ tensor: name, half }: Place, read: ReadonlyMap<string, Tensor>): Tensor {
  const whole = read.get(name) as Tensor;
  if (half === undefined) return whole;
  const shape = halfOf(whole.shape);
  const size = sizeOf(shape);
  const start = half === 'first' ? 0 : size;
  return Object.freeze({ data: whole.data.subarray(start, start + size), shape: Object.freeze(shape) });
}

function namedShape(place: Place, tensors: Tensors, file: string): NamedShape {
  const { tensor: name, half } = place;
  const { shape } = tensors.get(name) as TensorInfo;
  if (half === undefined) return { name, shape };
  if (shape.length === 0 || shape[0] % 2 !== 0) {
    throw new TensimError('SHAPE_MISMATCH', `has shape [${shape.join(', ')}]; both sides stacked have 2h rows`, {
      file,
      tensor: name,
    });
  }
  return { name: `${name} (${half} half)`, shape: shapeAt(place, tensors) };
}

const halfOf = (shape: readonly number[]): number[] => [shape[0] / 2, ...shape.slice(1)];
