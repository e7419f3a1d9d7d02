import type { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import type { Quantised } from '../formats/quantised/quantised.js';
import { type LayerOf, mapLayer, partsOf } from '../layers/layer.js';
import type { Made, Place } from '../layers/place.js';
import type { NamedShape } from '../layers/shapes.js';
import { FLOAT_BYTES, isFloatFormat } from '../tensor/convert.js';
import { type Cut, copyCut, shapeOfCut } from '../tensor/cut.js';
import { sizeOf, type Tensor } from '../tensor/tensor.js';
import { type ChainInfo, checkChain } from './chain.js';

/** The part of a checkpoint's listing that recognising a model needs. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** How it is stored, where it is decoded to be read. */
  readonly quantised?: Quantised;
}

export type Tensors = ReadonlyMap<string, TensorInfo>;

/** A model as its layers' places in a checkpoint, before any weight is read. */
export interface Blueprint {
  /** `bilinear`, `deep`, … as docs/guide/models.md lists them, or `custom`. */
  readonly family: string;
  /** Of an input; 1 for a plain network. */
  readonly positions: number;
  readonly layers: readonly LayerOf<Place>[];
  /** Weights of the checkpoint that belong to none of its layers: the critic of a policy. */
  readonly beside?: readonly string[];
}

/** The names of the tensors a blueprint speaks of; some more than once. */
export function tensorsOf({ layers, beside = [] }: Blueprint): string[] {
  const parts = layers.flatMap((layer) =>
    partsOf(layer).flatMap(([, { tensor, energy, gain }]) =>
      [tensor, energy, gain].filter((name) => name !== undefined),
    ),
  );
  return [...parts, ...beside];
}

/** The tensors of a checkpoint that a blueprint uses, in the order of the checkpoint. */
export function usedTensors(blueprint: Blueprint, tensors: Tensors): string[] {
  const used = new Set(tensorsOf(blueprint));
  return [...tensors.keys()].filter((name) => used.has(name));
}

/**
 * Checks a blueprint, all of whose tensors are in the checkpoint, by their types and shapes.
 * @throws TensimError `UNSUPPORTED_DTYPE` or `SHAPE_MISMATCH` naming the tensor.
 */
export function checkBlueprint(blueprint: Blueprint, tensors: Tensors, file: string): ChainInfo {
  for (const name of usedTensors(blueprint, tensors)) checkElements(tensors.get(name) as TensorInfo, file);
  return checkChain(
    blueprint.layers.map((layer) => mapLayer(layer, (place) => namedShape(place, tensors, file))),
    blueprint.positions,
    file,
  );
}

/** @throws TensimError `UNSUPPORTED_DTYPE` for a tensor that can be no weight. */
export function checkElements({ name, dtype }: TensorInfo, file: string): void {
  if (isFloatFormat(dtype)) return;
  throw new TensimError('UNSUPPORTED_DTYPE', `has element type ${dtype}, which cannot be a weight`, {
    file,
    tensor: name,
    hint: `Weights are of type ${Object.keys(FLOAT_BYTES).join(', ')}; what the network does not need is left out by --ignore, option "ignore"`,
  });
}

/** The shape at a place, whose tensor must be there and, for a half, have an even number of rows. */
export function shapeAt({ tensor, half, transposed, cut, made }: Place, tensors: Tensors): readonly number[] {
  if (made?.size !== undefined) return made.as === 'vector' ? [made.size] : [made.size, made.size];
  const { shape } = tensors.get(tensor) as TensorInfo;
  if (cut !== undefined) return shapeOfCut(cut, shape)!;
  const part = half === undefined ? shape : halfOf(shape);
  return transposed === true ? [...part].reverse() : part;
}

/** Added to a mean energy before its root is taken, as in training. */
const ENERGY_EPSILON = 1e-6;

/**
 * The tensor at a place: a view where that is possible, a copy where the place is cut, transposed or scaled.
 * @throws TensimError `NOT_FINITE` for an energy that has no root, and for the reciprocal of zero.
 */
export async function tensorAt(place: Place, read: ReadonlyMap<string, Tensor>, pacer: Pacer): Promise<Tensor> {
  const { tensor: name, half, transposed, cut, energy, gain, made } = place;
  const whole = read.get(name) as Tensor;
  if (isWhole(place)) return whole;
  let part = whole;
  if (cut !== undefined) part = await cutOf(part, cut, pacer);
  if (half !== undefined) {
    const shape = halfOf(part.shape);
    const size = sizeOf(shape);
    const start = half === 'first' ? 0 : size;
    part = { data: part.data.subarray(start, start + size), shape };
  }
  if (transposed === true) part = await cutOf(part, { transposed }, pacer);
  if (made !== undefined) part = await madeOf(part, made, name, pacer);
  if (energy !== undefined) part = scaledCopy(part, energy, read.get(energy) as Tensor);
  if (gain !== undefined) part = gainedCopy(part, read.get(gain) as Tensor);
  return Object.freeze({ data: part.data, shape: Object.freeze([...part.shape]) });
}

/** Whether a place is a tensor as it is. */
export const isWhole = ({ half, transposed, cut, energy, gain, made }: Place): boolean =>
  transposed !== true && [half, cut, energy, gain, made].every((one) => one === undefined);

/** With its columns multiplied, in double precision. */
function gainedCopy({ data, shape }: Tensor, gain: Tensor): Tensor {
  const columns = shape[1];
  const factor = (column: number) => gain.data[gain.data.length === 1 ? 0 : column];
  return { data: Float64Array.from(data, (weight, at) => weight * factor(at % columns)), shape };
}

async function cutOf(tensor: Tensor, cut: Cut, pacer: Pacer): Promise<Tensor> {
  const shape = shapeOfCut(cut, tensor.shape)!;
  const size = sizeOf(shape);
  const into = tensor.data instanceof Float64Array ? new Float64Array(size) : new Float32Array(size);
  return { data: await copyCut(cut, tensor, into, pacer), shape };
}

/** In double precision: the product of a float32 weight and the factor is no float32. */
function scaledCopy({ data, shape }: Tensor, name: string, energy: Tensor): Tensor {
  const [value] = energy.data;
  if (!(value >= 0)) {
    throw new TensimError('NOT_FINITE', `is ${value}, and a mean energy is at least zero`, { tensor: name });
  }
  const factor = (value + ENERGY_EPSILON) ** -0.5;
  return { data: Float64Array.from(data, (weight) => weight * factor), shape };
}

/** Elements that are made before the event loop may get its turn. */
const RUN = 4096;

/** As the elements are where that is exact, and else in double precision. */
async function madeOf(
  { data, shape }: Tensor,
  { as, size = 0, factor, power }: Made,
  name: string,
  pacer: Pacer,
): Promise<Tensor> {
  const isExact = Math.abs(factor) === 1 && power >= 0 && !(data instanceof Float64Array);
  const allocate = (length: number) => (isExact ? new Float32Array(length) : new Float64Array(length));
  if (power === -1 && data.includes(0)) {
    throw new TensimError('NOT_FINITE', 'is divided by, and has a zero', { tensor: name });
  }
  const value = (at: number) => factor * (data.length === 1 ? data[0] : data[at]) ** power;
  if (as === 'diagonal') {
    const diagonal = allocate(size * size);
    for (let i = 0; i < size; i++) diagonal[i * (size + 1)] = value(i);
    return { data: diagonal, shape: [size, size] };
  }
  const made = allocate(as === 'vector' ? size : data.length);
  for (let from = 0; from < made.length; from += RUN) {
    for (let i = from; i < Math.min(from + RUN, made.length); i++) made[i] = value(i);
    if (pacer.due(RUN)) await pacer.pause();
  }
  return { data: made, shape: as === 'vector' ? [size] : shape };
}

function namedShape(place: Place, tensors: Tensors, file: string): NamedShape {
  const { tensor: name, half, transposed, cut, energy, gain } = place;
  const { shape } = tensors.get(name) as TensorInfo;
  if (cut !== undefined && shapeOfCut(cut, shape) === undefined) {
    throw new TensimError('SHAPE_MISMATCH', `has shape [${shape.join(', ')}], in which there is no such part`, {
      file,
      tensor: name,
    });
  }
  if (transposed === true && shape.length !== 2)
    throw new TensimError('SHAPE_MISMATCH', `has shape [${shape.join(', ')}], and only a matrix is transposed`, {
      file,
      tensor: name,
    });
  if (gain !== undefined) checkGain(gain, shapeAt(place, tensors), tensors, file);
  if (energy !== undefined) {
    const { shape: scalar } = tensors.get(energy) as TensorInfo;
    if (sizeOf(scalar) !== 1) {
      throw new TensimError('SHAPE_MISMATCH', `has shape [${scalar.join(', ')}], but a mean energy is one number`, {
        file,
        tensor: energy,
      });
    }
  }
  if (half !== undefined && (shape.length === 0 || shape[0] % 2 !== 0)) {
    throw new TensimError('SHAPE_MISMATCH', `has shape [${shape.join(', ')}]; both sides stacked have 2h rows`, {
      file,
      tensor: name,
    });
  }
  const suffix = `${half === undefined ? '' : ` (${half} half)`}${transposed === true ? ' (transposed)' : ''}`;
  return { name: `${name}${suffix}`, shape: shapeAt(place, tensors) };
}

/** Scalars and vectors as long as a row; a tensor of any other shape is no factor. */
function checkGain(gain: string, of: readonly number[], tensors: Tensors, file: string): void {
  const { shape } = tensors.get(gain) as TensorInfo;
  if (sizeOf(shape) === 1 || (of.length === 2 && shape.length === 1 && shape[0] === of[1])) return;
  throw new TensimError(
    'SHAPE_MISMATCH',
    `has shape [${shape.join(', ')}], but a factor for the columns of [${of.join(', ')}] is one number or one for each`,
    { file, tensor: gain },
  );
}

const halfOf = (shape: readonly number[]): number[] => [shape[0] / 2, ...shape.slice(1)];
