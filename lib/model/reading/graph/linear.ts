import type { Graph, GraphNode } from '../../../formats/onnx/graph.js';
import type { LinearOf } from '../../../layers/layer.js';
import type { Made, Place } from '../../../layers/place.js';
import { sizeOf } from '../../../tensor/tensor.js';
import { quote } from '../../../words/quoting.js';
import type { Tensors } from '../../blueprint.js';
import { featuresOf, met, type Shape } from './shapes.js';

/** A constant of a graph: a tensor of the file, or its transpose. */
export interface Known {
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly transposed: boolean;
  /** The numbers in it, of a short one. */
  readonly values: readonly number[] | undefined;
}

/** What a graph has by name before it is given an input. */
export class Constants {
  readonly #graph: Graph;
  readonly #known = new Map<string, Known>();
  /** Whole numbers: shapes, and what is made of the shape of a value, null for an extent of a batch. */
  readonly #numbers = new Map<string, Shape>();

  constructor(graph: Graph, tensors: Tensors) {
    this.#graph = graph;
    for (const [tensor, { shape }] of tensors)
      this.#known.set(tensor, { tensor, shape, transposed: false, values: graph.values.get(tensor) });
    for (const [name, values] of graph.values) this.#numbers.set(name, values);
  }

  has(name: string): boolean {
    return this.#known.has(name) || this.#numbers.has(name) || this.#graph.unread.has(name);
  }

  get(name: string): Known | undefined {
    return this.#known.get(name);
  }

  numbersOf(name: string): Shape | undefined {
    return this.#numbers.get(name);
  }

  /** Why a tensor cannot be used. */
  problemOf(name: string): string | undefined {
    const problem = this.#graph.unread.get(name);
    return problem === undefined ? undefined : `takes the tensor ${quote(name)}, which ${problem}`;
  }

  /** Whether a node of constants is a constant itself, which is then known by its name. */
  fold({ op, inputs: [input = ''], outputs: [output = ''], attributes }: GraphNode): boolean {
    if (op === 'Constant') return true;
    const [known, numbers, problem] = [this.#known.get(input), this.#numbers.get(input), this.#graph.unread.get(input)];
    if (problem !== undefined) return false;
    if (op === 'Identity') {
      if (known !== undefined) this.#known.set(output, known);
      if (numbers !== undefined) this.#numbers.set(output, numbers);
      return true;
    }
    const order = attributes.get('perm') ?? [1, 0];
    if (op !== 'Transpose' || known?.shape.length !== 2 || `${order}` !== '1,0') return false;
    const [rows, columns] = known.shape;
    this.#known.set(output, { ...known, shape: [columns, rows], transposed: !known.transposed });
    return true;
  }

  /**
   * The same of what is made of the shape of a value, to flatten it: `x.view(x.size(0), -1)` in PyTorch.
   */
  foldShape({ op, inputs, outputs: [output = ''], attributes }: GraphNode, value: string, shape: Shape): boolean {
    const given = inputs.map((name) => this.#numbers.get(name));
    const [first, second] = given;
    const made = (): Shape | undefined => {
      if (op === 'Shape') return inputs[0] === value && attributes.size === 0 ? shape : undefined;
      if (op === 'Concat') return given.every((one) => one !== undefined) ? (given.flat() as Shape) : undefined;
      if (['Unsqueeze', 'Squeeze', 'Cast', 'Identity'].includes(op)) return first;
      const at = op === 'Gather' && second?.length === 1 ? second[0] : null;
      const found = at === null ? undefined : first?.at(at);
      return found === undefined ? undefined : [found];
    };
    const numbers = made();
    if (numbers === undefined || inputs.length === 0) return false;
    this.#numbers.set(output, numbers);
    return true;
  }
}

/** A linear layer, and the shape behind it. */
export interface LinearFound {
  readonly layer: LinearOf<Place>;
  readonly shape: Shape;
}

/** The matrix of a product as a layer takes it, rows for what it gives. */
function matrixOf({ tensor, transposed }: Known, isRight: boolean, factor = 1): Place {
  return {
    tensor,
    ...(transposed !== isRight && { transposed: true }),
    ...(factor !== 1 && { made: { as: 'matrix', factor, power: 1 } }),
  };
}

/** Whether all but one axis are of a batch, or have one element. */
const isAlong = (shape: Shape, axis: number): boolean =>
  shape.every((extent, i) => i === axis || extent === null || extent === 1);

/**
 * The layer that multiplies all features by a constant matrix; undefined where it is none.
 * @param at on which side the value stands: 0 left, x W; 1 right, W x
 */
export function matMul(shape: Shape | undefined, by: Known | undefined, at: number): LinearFound | undefined {
  if (by?.shape.length !== 2) return undefined;
  const [takes, gives] = at === 0 ? by.shape : [by.shape[1], by.shape[0]];
  const layer: LinearOf<Place> = { type: 'linear', weight: matrixOf(by, at === 0) };
  if (shape === undefined) return { layer, shape: at === 0 ? [null, gives] : [gives, null] };
  const axis = at === 0 || shape.length === 1 ? shape.length - 1 : shape.length - 2;
  if (shape[axis] !== takes || !isAlong(shape, axis)) return undefined;
  return { layer, shape: shape.map((extent, i) => (i === axis ? gives : extent)) };
}

/** The same of α A B + β C, in which A and B may be transposed and C is a bias. */
export function gemm(
  { attributes, inputs }: GraphNode,
  shape: Shape | undefined,
  by: Known | undefined,
  at: number,
  added: Known | undefined,
): LinearFound | undefined {
  if (by?.shape.length !== 2 || at > 1 || (shape !== undefined && shape.length !== 2)) return undefined;
  const number = (name: string, missing: number) => Number(attributes.get(name) ?? missing);
  const [alpha, beta] = [number('alpha', 1), number('beta', 1)];
  const turned = (side: number) => number(side === 0 ? 'transA' : 'transB', 0) !== 0;
  if (!Number.isFinite(alpha) || !Number.isFinite(beta)) return undefined;
  // As it stands in the product, with the value as A or B.
  const matrix = turned(1 - at) ? { ...by, shape: [...by.shape].reverse(), transposed: !by.transposed } : by;
  const value = shape && (turned(at) ? [...shape].reverse() : shape);
  const found = matMul(value, matrix, at);
  if (found === undefined) return undefined;
  const layer = { ...found.layer, weight: matrixOf(matrix, at === 0, alpha) };
  if ((inputs[2] ?? '') === '') return { ...found, layer };
  const gives = featuresOf(found.shape);
  // Along the features, or one for all of them.
  const behind = added && met(found.shape, added.shape);
  if (added === undefined || behind?.length !== 2) return undefined;
  return { shape: behind, layer: { ...layer, bias: vectorOf(added, gives, beta) } };
}

const vectorOf = ({ tensor, shape }: Known, size: number, factor = 1): Place =>
  factor === 1 && shape.length === 1 && sizeOf(shape) === size
    ? { tensor }
    : { tensor, made: { as: 'vector', size, factor, power: 1 } };

/** How a value meets a constant: what each feature is multiplied by, made of the constant, and what is added. */
export interface AffineFound {
  readonly weight: Pick<Made, 'factor' | 'power'>;
  readonly bias?: Place;
  readonly shape: Shape;
}

/**
 * Addition, subtraction, multiplication or division by a constant, feature by feature; undefined where it is none.
 * @param at which of the two the value is
 */
export function affine(
  { op, attributes }: GraphNode,
  shape: Shape,
  constant: Known,
  at: number,
): AffineFound | undefined {
  // Before the seventh version of the operations, attributes said how shapes meet.
  const behind = attributes.has('axis') || attributes.has('broadcast') ? undefined : met(shape, constant.shape);
  if (behind === undefined || (constant.transposed && sizeOf(constant.shape) > 1)) return undefined;
  const width = featuresOf(behind);
  switch (op) {
    case 'Add':
      return { weight: { factor: 1, power: 0 }, bias: vectorOf(constant, width), shape: behind };
    case 'Sub': {
      const sign = at === 0 ? 1 : -1;
      return { weight: { factor: sign, power: 0 }, bias: vectorOf(constant, width, -sign), shape: behind };
    }
    case 'Mul':
      return { weight: { factor: 1, power: 1 }, shape: behind };
    default:
      return at === 0 ? { weight: { factor: 1, power: -1 }, shape: behind } : undefined;
  }
}
