import type { Tensor } from '../tensor/tensor.js';
import type { KindOf } from './chains.js';
import type { GatedOf } from './gated.js';
import type { HiddenOf } from './hidden.js';
import { MOST_DENSE } from './image.js';
import type { Typed, UnitsType } from './kind.js';
import type { LinearOf } from './linear.js';
import type { ParallelOf } from './parallel.js';
import type { ShapeOnly } from './shapes.js';
import type { LayerOf } from './types.js';

/* Sums of branches written as one layer, where they are one: exact methods take that in their place. */

/**
 * Multiplications that this may take, done at once while everything else waits: ten milliseconds or so. Branches of more
 * stay as they are, and can be sampled.
 */
const MOST_PRODUCTS = 2 ** 24;

type Branches<T = ShapeOnly> = ParallelOf<T>;

const isAffine = (layer: Typed, kindOf: KindOf): boolean => {
  const kind = kindOf(layer);
  return kind.asLinear !== undefined && kind.isAffine?.(layer) !== false;
};

const widthsOf = (layer: Typed, kindOf: KindOf) => kindOf(layer).widths(layer);

/** Multiplications that make one matrix of affine layers, whose input has so many features. */
function productsOf(layers: readonly Typed[], inputs: number, kindOf: KindOf): number {
  return layers.slice(1).reduce((sum, layer) => {
    const { takes, gives } = widthsOf(layer, kindOf);
    return sum + takes * gives * inputs;
  }, 0);
}

/** Whether all branches are affine, and one matrix quickly made of them. */
export function isAffineSum({ branches }: Branches, kindOf: KindOf): boolean {
  if (!branches.flat().every((layer) => isAffine(layer, kindOf))) return false;
  const { takes } = widthsOf(branches[0][0], kindOf);
  const last = branches[0][branches[0].length - 1];
  const products = branches.reduce((sum, branch) => sum + productsOf(branch, takes, kindOf), 0);
  return products <= MOST_PRODUCTS && takes * widthsOf(last, kindOf).gives <= MOST_DENSE;
}

/** The one branch with a block of units, the others being affine. */
interface UnitsBranch {
  readonly branch: number;
  readonly place: number;
  readonly block: Typed;
  readonly units: UnitsType;
}

/** Null where there is none, or more than one, or putting all into one block takes long. */
export function unitsBranch({ branches }: Branches, kindOf: KindOf): UnitsBranch | null {
  const blocks = branches.flatMap((layers, branch) =>
    layers.flatMap((block, place) => (isAffine(block, kindOf) ? [] : [{ branch, place, block }])),
  );
  if (blocks.length !== 1) return null;
  const [found] = blocks;
  const kind = kindOf(found.block);
  const units = kind.units ?? kind.simplerType?.(found.block) ?? null;
  if (units === null) return null;
  const { takes, gives } = widthsOf(found.block, kindOf);
  const inputs = widthsOf(branches[0][0], kindOf).takes;
  const [before, after] = around(branches[found.branch], found.place);
  const hidden = kind.hidden!(found.block);
  const outputs = after.length === 0 ? gives : widthsOf(after[after.length - 1], kindOf).gives;
  const beside = branches.filter((_, b) => b !== found.branch);
  const products =
    [before, ...beside].reduce((sum, layers) => sum + productsOf(layers, inputs, kindOf), 0) +
    productsOf(after, gives, kindOf) +
    (before.length === 0 ? 0 : (2 * hidden + gives) * takes * inputs) +
    (after.length === 0 ? 0 : outputs * gives * (hidden + inputs));
  return products <= MOST_PRODUCTS && outputs * inputs <= MOST_DENSE ? { ...found, units } : null;
}

const around = <Layer>(layers: readonly Layer[], place: number) => [layers.slice(0, place), layers.slice(place + 1)];

/** x ↦ M x + b. */
interface Affine {
  /** Null: the identity. */
  readonly matrix: Dense | null;
  /** Null: zero. */
  readonly bias: Float64Array | null;
}

/** Row by row. */
interface Dense {
  readonly data: Float64Array;
  readonly rows: number;
  readonly columns: number;
}

const dense = ({ data, shape: [rows, columns] }: Tensor): Dense => ({ data: Float64Array.from(data), rows, columns });
const tensorOf = ({ data, rows, columns }: Dense): Tensor => ({ data, shape: [rows, columns] });
const vector = (data: Float64Array): Tensor => ({ data, shape: [data.length] });

function times(a: Dense | null, b: Dense | null): Dense | null {
  if (a === null || b === null) return a ?? b;
  const { rows, columns: depth } = a;
  const { columns } = b;
  const data = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < depth; k++) {
      const factor = a.data[i * depth + k];
      for (let j = 0, to = i * columns, from = k * columns; j < columns; j++, to++, from++)
        data[to] += factor * b.data[from];
    }
  return { data, rows, columns };
}

function applied(matrix: Dense | null, x: Float64Array | null): Float64Array | null {
  if (matrix === null || x === null) return x;
  return times(matrix, { data: x, rows: x.length, columns: 1 })!.data;
}

const plus = (a: Float64Array | null, b: Float64Array | null, factor = 1): Float64Array | null => {
  if (b === null) return a;
  return b.map((value, i) => (a === null ? 0 : a[i]) + factor * value);
};

/** Affine layers as one. */
function composed(layers: readonly LayerOf<Tensor>[], kindOf: KindOf): Affine {
  return layers.reduce<Affine>(
    ({ matrix, bias }, layer) => {
      const { weight, bias: own } = kindOf(layer).asLinear!(layer);
      const map = dense(weight);
      return {
        matrix: times(map, matrix),
        bias: plus(applied(map, bias), own === undefined ? null : Float64Array.from(own.data)),
      };
    },
    { matrix: null, bias: null },
  );
}

/** The sum of maps, with `alpha` times the identity. */
function summed(
  maps: readonly Affine[],
  alpha: number,
  beta: number,
  size: readonly [number, number],
): Affine & { readonly matrix: Dense } {
  const [rows, columns] = size;
  const data = new Float64Array(rows * columns);
  const onDiagonal = (factor: number) => {
    for (let i = 0; i < Math.min(rows, columns); i++) data[i * (columns + 1)] += factor;
  };
  onDiagonal(alpha);
  let bias: Float64Array | null = null;
  for (const map of maps) {
    if (map.matrix === null) onDiagonal(beta);
    else for (let i = 0; i < data.length; i++) data[i] += beta * map.matrix.data[i];
    bias = plus(bias, map.bias, beta);
  }
  return { matrix: { data, rows, columns }, bias };
}

/** The linear layer that does the same as branches that are all affine. */
export function asAffine(layer: Branches<Tensor>, kindOf: KindOf): LinearOf<Tensor> {
  const { branches, alpha, beta } = layer;
  const maps = branches.map((branch) => composed(branch, kindOf));
  const last = branches[0][branches[0].length - 1];
  const size = [widthsOf(last, kindOf).gives, widthsOf(branches[0][0], kindOf).takes] as const;
  const { matrix, bias } = summed(maps, alpha, beta, size);
  return { type: 'linear', weight: tensorOf(matrix), ...(bias && { bias: vector(bias) }) };
}

/** The block of units that does the same as branches of which one has such a block, and the others are affine. */
export function asBlockOfUnits(layer: Branches<Tensor>, kindOf: KindOf): HiddenOf<Tensor> | GatedOf<Tensor> {
  const { branches, alpha, beta } = layer;
  const { branch, place } = unitsBranch(layer, kindOf)!;
  const [before, after] = around(branches[branch], place);
  const block = branches[branch][place];
  const kind = kindOf(block);
  const units = kind.asUnits?.(block) ?? kind.asSimpler!(block);
  const [A, B] = [composed(before, kindOf), composed(after, kindOf)];
  const inner = units.type === 'gated' ? units.gate : units.weight;
  const [hidden, takes] = inner.shape;
  // What stands beside the units within the branch: α' z + S z of their input z = A x + a.
  const gives = units.down?.shape[0] ?? hidden;
  const beside =
    units.skip === undefined && units.alpha === 0
      ? null
      : summed([...(units.skip ? [{ matrix: dense(units.skip), bias: null }] : [])], units.alpha, 1, [gives, takes]);
  const own: Affine[] =
    beside === null
      ? []
      : [
          {
            matrix: times(B.matrix, times(beside.matrix, A.matrix)),
            bias: applied(B.matrix, applied(beside.matrix, A.bias)),
          },
        ];
  const others = branches.filter((_, b) => b !== branch).map((layers) => composed(layers, kindOf));
  const inputs = widthsOf(branches[0][0], kindOf).takes;
  const outputs = B.matrix?.rows ?? gives;
  const all = [...own, ...others];
  const { matrix: skip, bias: shift } = summed(all, 0, beta, [outputs, inputs]);
  // B (β' (D φ + c)) + b, β times: D and c as β' β times what they are, so that a zero among them is no matter.
  const factor = beta * units.beta;
  const D = times(B.matrix, units.down === undefined ? null : dense(units.down));
  const scaled = D === null ? null : { ...D, data: D.data.map((value) => factor * value) };
  const c = plus(
    null,
    applied(B.matrix, units.downBias === undefined ? null : Float64Array.from(units.downBias.data)),
    factor,
  );
  const constant = plus(plus(c, B.bias, beta), shift);
  const through = (weight: Tensor): Tensor => (A.matrix === null ? weight : tensorOf(times(dense(weight), A.matrix)!));
  const bias = (weight: Tensor, given: Tensor | undefined): Tensor | undefined => {
    const moved = A.bias === null ? null : applied(dense(weight), A.bias);
    return moved === null ? given : vector(plus(moved, given === undefined ? null : Float64Array.from(given.data))!);
  };
  const down = scaled ?? (factor === 1 ? null : diagonal(hidden, factor));
  const around_ = {
    ...{ activation: units.activation, slope: units.slope, alpha, beta: 1 },
    ...(units.slopes && { slopes: units.slopes }),
    ...(down && { down: tensorOf(down) }),
    ...(constant && { downBias: vector(constant) }),
    ...(all.length > 0 && { skip: tensorOf(skip) }),
  };
  if (units.type === 'hidden') {
    const moved = bias(units.weight, units.bias);
    return { type: 'hidden', weight: through(units.weight), ...(moved && { bias: moved }), ...around_ };
  }
  const [gateBias, upBias] = [bias(units.gate, units.gateBias), bias(units.up, units.upBias)];
  return {
    type: 'gated',
    gate: through(units.gate),
    up: through(units.up),
    ...(gateBias && { gateBias }),
    ...(upBias && { upBias }),
    ...around_,
  };
}

function diagonal(size: number, value: number): Dense {
  const data = new Float64Array(size * size);
  for (let i = 0; i < size; i++) data[i * (size + 1)] = value;
  return { data, rows: size, columns: size };
}
