import type { Pacer } from '../../cooperate.js';
import { mapLayer, partsOf } from '../../layers/layer.js';
import type { BilinearLayer, GatedLayer, HiddenLayer, Layer } from '../../model/model.js';
import { matrixOf } from '../../tensor/matrix.js';
import type { Tensor } from '../../tensor/tensor.js';
import { viewOf } from './weights.js';

/**
 * The block f with its hidden units as they stand in g, where that brings the two closer: in their order, with left and
 * right as there, and multiplied by the powers of two and the signs that cancel within a unit (MATH.md section 9). All
 * of it is exact, so that the function is the same to the bit, and copies of one block that differ in nothing else come
 * out equal.
 */
export async function matchUnits(f: BilinearLayer, g: BilinearLayer, pacer: Pacer): Promise<BilinearLayer> {
  if (f.down === undefined || g.down === undefined) return f;
  if (String(f.left.shape) !== String(g.left.shape) || f.down.shape[0] !== g.down.shape[0]) return f;
  const [units, others] = [await unitsOf(f, pacer), await unitsOf(g, pacer)];
  const inPlace = await fits(others, units, null, pacer);
  const sorted = await fits(others, units, REACH, pacer);
  const best = total(sorted) < total(inPlace) ? sorted : inPlace;
  if (best.every(({ unit, isPlain }, h) => unit === h && isPlain)) return f;
  return rebuilt(f, units, best, pacer);
}

/** Likewise of units with activations, which have nothing but their order. */
export async function reorderUnits(f: HiddenLayer | GatedLayer, g: typeof f, pacer: Pacer): Promise<Layer> {
  if (f.down === undefined || String(f.down.shape) !== String(g.down?.shape)) return f;
  const [own, others] = [sidesOf(f), sidesOf(g)];
  if (String(own.left.shape) !== String(others.left.shape)) return f;
  const [units, wanted] = [await unitsOf(own, pacer), await unitsOf(others, pacer)];
  const inPlace = await fits(wanted, units, null, pacer, false);
  const sorted = await fits(wanted, units, REACH, pacer, false);
  const order = (total(sorted) < total(inPlace) ? sorted : inPlace).map(({ unit }) => unit);
  if (order.every((unit, h) => unit === h)) return f;
  const parts = new Map<Tensor, Tensor>();
  for (const [role, part] of partsOf<Tensor>(f)) {
    parts.set(part, BEHIND.has(role) ? part : await reordered(part, role === 'down', order, pacer));
  }
  return mapLayer(f as Layer, (part) => parts.get(part)!);
}

/** A part with its rows, or its columns, in another order. */
async function reordered(part: Tensor, isDown: boolean, order: readonly number[], pacer: Pacer): Promise<Tensor> {
  const { data, rows, columns, rowStride, columnStride } = viewOf(part)!;
  const values = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const [row, column] = isDown ? [i, order[j]] : [order[i], j];
      values[i * columns + j] = data[row * rowStride + column * columnStride];
    }
    if (pacer.due(columns)) await pacer.pause();
  }
  return { data: values, shape: part.shape };
}

/** Parts that belong to no unit. */
const BEHIND: ReadonlySet<string> = new Set(['downBias', 'skip']);

function sidesOf(layer: HiddenLayer | GatedLayer): Sides {
  const down = layer.down && { down: layer.down };
  if (layer.type === 'hidden') return { left: layer.weight, leftBias: layer.bias, ...down };
  return { left: layer.gate, leftBias: layer.gateBias, right: layer.up, rightBias: layer.upBias, ...down };
}

/** Among how many units next in size one is looked for. */
const REACH = 8;

/** Rows with their bias at the end, and the column of D. */
interface Unit {
  readonly left: Float64Array;
  readonly right: Float64Array;
  readonly down: Float64Array;
  /** What changes of scale, sign and side do not change. */
  readonly size: number;
}

/** A unit of f as one of g: sides exchanged, then each part times a factor. */
interface Fit {
  readonly unit: number;
  readonly swapped: boolean;
  readonly factors: readonly [left: number, right: number, down: number];
  /** Σ of the parts' squared changes, each relative to its size. */
  readonly cost: number;
  readonly isPlain: boolean;
}

/** The parts of a block that its units are made of; without a right side they have the factor 1 there. */
interface Sides {
  readonly left: Tensor;
  readonly leftBias?: Tensor | undefined;
  readonly right?: Tensor;
  readonly rightBias?: Tensor | undefined;
  readonly down?: Tensor;
}

const ONE = Float64Array.of(1);

async function unitsOf(block: Sides, pacer: Pacer): Promise<Unit[]> {
  const { left, right, leftBias, rightBias } = block;
  const down = matrixOf(block.down!);
  const units: Unit[] = [];
  for (let h = 0; h < left.shape[0]; h++) {
    const unit = {
      left: rowOf(left, leftBias, h),
      right: right === undefined ? ONE : rowOf(right, rightBias, h),
      down: Float64Array.from({ length: down.rows }, (_, c) => down.data[c * down.rowStride + h * down.columnStride]),
    };
    units.push({ ...unit, size: norm(unit.left) * norm(unit.right) * norm(unit.down) });
    if (pacer.due(2 * unit.left.length + down.rows)) await pacer.pause();
  }
  return units;
}

function rowOf(weight: Tensor, bias: Tensor | undefined, h: number): Float64Array {
  const { data, columns, rowStride, columnStride } = matrixOf(weight);
  const row = new Float64Array(columns + 1);
  for (let i = 0; i < columns; i++) row[i] = data[h * rowStride + i * columnStride];
  if (bias !== undefined) row[columns] = bias.data[h * (bias.strides?.[0] ?? 1)];
  return row;
}

/** A unit of f for every unit of g: the same one, or of those alike in size the nearest that is left. */
async function fits(
  g: readonly Unit[],
  f: readonly Unit[],
  reach: number | null,
  pacer: Pacer,
  isBilinear = true,
): Promise<Fit[]> {
  const bySize = (units: readonly Unit[]) => [...units.keys()].sort((i, j) => units[i].size - units[j].size || i - j);
  const [order, left] = [bySize(g), bySize(f)];
  const found = new Array<Fit>(g.length);
  for (const h of order) {
    const candidates = reach === null ? [h] : left.slice(0, reach);
    let best: Fit | null = null;
    for (const unit of candidates) {
      const fit = isBilinear ? fitOf(g[h], f[unit], unit) : fitWith(g[h], f[unit], unit, false, [1, 1, 1]);
      if (best === null || fit.cost < best.cost) best = fit;
      if (pacer.due(8 * g[h].left.length)) await pacer.pause();
    }
    found[h] = best!;
    if (reach !== null) left.splice(left.indexOf(best!.unit), 1);
  }
  return found;
}

function fitOf(g: Unit, f: Unit, unit: number): Fit {
  const plain = fitWith(g, f, unit, false, [1, 1, 1]);
  let best = plain;
  for (const swapped of [false, true]) {
    const [left, right] = swapped ? [f.right, f.left] : [f.left, f.right];
    const [one, two] = [factorFor(g.left, left), factorFor(g.right, right)];
    const fit = fitWith(g, f, unit, swapped, [one, two, 1 / (one * two)]);
    if (fit.cost < best.cost) best = fit;
  }
  return best;
}

function fitWith(g: Unit, f: Unit, unit: number, swapped: boolean, factors: Fit['factors']): Fit {
  const [left, right] = swapped ? [f.right, f.left] : [f.left, f.right];
  const cost =
    change(g.left, left, factors[0]) + change(g.right, right, factors[1]) + change(g.down, f.down, factors[2]);
  return { unit, swapped, factors, cost, isPlain: !swapped && factors.every((factor) => factor === 1) };
}

/** The power of two, with its sign, that brings a vector nearest to the size and side of another; 1 for zeros. */
function factorFor(target: Float64Array, vector: Float64Array): number {
  const ratio = norm(target) / norm(vector);
  if (!(ratio > 0 && Number.isFinite(ratio))) return 1;
  let product = 0;
  for (let i = 0; i < target.length; i++) product += target[i] * vector[i];
  return (product < 0 ? -1 : 1) * 2 ** Math.round(Math.log2(ratio));
}

function change(g: Float64Array, f: Float64Array, factor: number): number {
  let [squares, both] = [0, 0];
  for (let i = 0; i < g.length; i++) {
    squares += (factor * f[i] - g[i]) ** 2;
    both += g[i] ** 2 + (factor * f[i]) ** 2;
  }
  return both > 0 ? squares / both : 0;
}

function norm(vector: Float64Array): number {
  let squares = 0;
  for (const value of vector) squares += value * value;
  return Math.sqrt(squares);
}

const total = (found: readonly Fit[]) => found.reduce((sum, { cost }) => sum + cost, 0);

async function rebuilt(
  block: BilinearLayer,
  units: readonly Unit[],
  found: readonly Fit[],
  pacer: Pacer,
): Promise<BilinearLayer> {
  const [hidden, width] = block.left.shape as [number, number];
  const outputs = block.down!.shape[0];
  const [left, right] = [new Float64Array(hidden * width), new Float64Array(hidden * width)];
  const [leftBias, rightBias] = [new Float64Array(hidden), new Float64Array(hidden)];
  const down = new Float64Array(outputs * hidden);
  for (const [h, { unit, swapped, factors }] of found.entries()) {
    const { left: one, right: two, down: column } = units[unit];
    for (const [side, target, bias, factor] of [
      [swapped ? two : one, left, leftBias, factors[0]],
      [swapped ? one : two, right, rightBias, factors[1]],
    ] as const) {
      for (let i = 0; i < width; i++) target[h * width + i] = factor * side[i];
      bias[h] = factor * side[width];
    }
    for (let c = 0; c < outputs; c++) down[c * hidden + h] = factors[2] * column[c];
    if (pacer.due(2 * width + outputs)) await pacer.pause();
  }
  const biased = block.leftBias !== undefined || block.rightBias !== undefined;
  return {
    ...block,
    left: { data: left, shape: [hidden, width] },
    right: { data: right, shape: [hidden, width] },
    down: { data: down, shape: [outputs, hidden] },
    ...(biased && {
      leftBias: { data: leftBias, shape: [hidden] },
      rightBias: { data: rightBias, shape: [hidden] },
    }),
  };
}
