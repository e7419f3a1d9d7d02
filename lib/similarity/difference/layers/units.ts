import type { Pacer } from '../../../cooperate.js';
import { type Activated, activationOf } from '../../../layers/activations.js';
import { type GatedOf, type HiddenOf, residualOf } from '../../../layers/layer.js';
import type { ShapeOnly } from '../../../layers/shapes.js';
import type { GatedLayer, HiddenLayer } from '../../../model/model.js';
import { type MatrixView, rowMajor, vectorOf } from '../../../tensor/matrix.js';
import { blockChanges } from '../block.js';
import type { LinearChange, Place } from '../linear.js';
import { FARTHEST, interpolated, isAnalytic, kinkError, kinkNodes, kinkOf } from '../moved.js';
import { between, bothRows, lengthsOf, movesOf, rowsOf, turned } from '../unit_rows.js';
import { reorderUnits } from '../units.js';
import { assemble, type Change, changeOf, type Piece, viewOf } from '../weights.js';
import type { DifferenceLayer, LayerDifference } from './kind.js';

type Units = HiddenLayer | GatedLayer;

/**
 * Two hidden layers, or two gated blocks, of the same activation: where the arguments of the activation are the same, a
 * layer of the same kind; where they have moved by a little, one of several times as many units (`moved.ts`).
 */
export const units: LayerDifference = {
  alike(f: Units, g: Units) {
    const [one, other] = [activationOf(f), activationOf(g)];
    const size = (layer: Units) => gateOf(layer).shape[0];
    const slopes = (layer: Units) => String(vectorOf(layer.slopes, 0));
    return (
      one.name === other.name &&
      one.slope === other.slope &&
      size(f) === size(g) &&
      slopes(f) === slopes(g) &&
      residualOf(f).alpha === residualOf(g).alpha
    );
  },
  matched: reorderUnits,
  async changes(f: Units, g: Units, takes, gives, pacer) {
    const skip = await changeOf(viewOf(f.skip), viewOf(g.skip), gives, takes, pacer);
    const none: Change = { f: null, g: null, delta: null, rows: gives, columns: 1 };
    return [...(await sideChanges(f, g, takes, gives, pacer)), { weight: skip, bias: none }];
  },
  async difference(f: Units, g: Units, place, pacer) {
    const { from, gives } = place;
    const [gate, ...rest] = await sideChanges(f, g, from.width, gives, pacer);
    const up = rest.length === 2 ? rest[0] : null;
    const parts: Parts = { f, g, gate, up, down: rest[rest.length - 1], place };
    if (!from.moved && gate.weight.delta === null && gate.bias.delta === null) return besideEqualGates(parts, pacer);
    // Told before any of it is made.
    if (place.probes === null || !isAffordable(MOST_GROUPS * gate.weight.rows, place.probes.width)) return null;
    const activation = activationOf(g);
    if (isAnalytic(activation)) return ofSmoothUnits(parts, pacer);
    return up === null && kinkOf(activation) !== null ? ofKinkedUnits(parts, pacer) : null;
  },
  isAffordable(layer: HiddenOf<ShapeOnly> | GatedOf<ShapeOnly>) {
    const [count, inputs] = gateOf(layer).shape;
    return isAffordable(count, inputs);
  },
};

/** Multiply-adds of all units with all of them up to which units are subtracted: some ten seconds of one core. */
const MOST_WORK = 2 ** 34;
/** What a layer of units that move is made of, as many as it has each. */
const MOST_GROUPS = 7;

const isAffordable = (count: number, inputs: number): boolean => count * count * inputs <= MOST_WORK;

function gateOf<T>(layer: HiddenOf<T> | GatedOf<T>): T {
  return layer.type === 'gated' ? layer.gate : layer.weight;
}

interface Parts {
  readonly f: Units;
  readonly g: Units;
  readonly gate: LinearChange;
  /** Null for a hidden layer. */
  readonly up: LinearChange | null;
  readonly down: LinearChange;
  readonly place: Place;
}

/** Of W (and U), then of β D. */
function sideChanges(f: Units, g: Units, takes: number, gives: number, pacer: Pacer): Promise<LinearChange[]> {
  // A hidden layer under the names of a gated block.
  const named = (layer: Units) =>
    layer.type === 'gated' ? layer : { ...layer, gate: layer.weight, gateBias: layer.bias };
  const factors = f.type === 'gated' ? (['gate', 'up'] as const) : (['gate'] as const);
  return blockChanges({ factors, mixer: 'down' }, named(f) as never, named(g) as never, takes, gives, pacer);
}

/** Some units, of all their number, and what comes behind them. */
interface Group {
  /** Rows of W with their bias behind, (h, columns + 1). */
  readonly gate: Float64Array;
  readonly up: Float64Array | null;
  /** What they add to x_g behind the layer, where that is needed. */
  readonly own?: MatrixView | null;
  /** What they add to Δ: a matrix, the factors of its columns. */
  readonly change?: readonly [view: MatrixView | null, factors: Float64Array];
}

/** φ of the same arguments: D_f φ U_f − D_g φ U_g = δD φ U_g + D_f φ δU. */
async function besideEqualGates({ f, g, gate, up, down, place }: Parts, pacer: Pacer): Promise<DifferenceLayer> {
  const { scale } = place;
  const count = gate.weight.rows;
  const rows = await rowsOf(gate, 'g', place, pacer);
  const all = (value: number) => new Float64Array(count).fill(value);
  const groups: Group[] = [
    {
      gate: rows,
      up: up && (await rowsOf(up, 'g', place, pacer)),
      own: down.weight.g,
      change: [down.weight.delta, all(1 / scale)],
    },
  ];
  if (up !== null && (up.weight.delta !== null || up.bias.delta !== null))
    groups.push({ gate: rows, up: await rowsOf(up, 'change', place, pacer), change: [down.weight.f, all(1)] });
  return { layer: await layerOf(groups, { f, g, gate, up, down, place }, g, pacer) };
}

/** δD F(0) + D_f (F(1) − F(0)), the latter from units far enough from each other. */
async function ofSmoothUnits(parts: Parts, pacer: Pacer): Promise<DifferenceLayer | null> {
  const { g, gate, up, down, place } = parts;
  const { scale } = place;
  const gates = await bothRows(gate, place, pacer);
  const ups = up && (await bothRows(up, place, pacer));
  const sizes = await movesOf(gates, place, pacer);
  if (ups !== null) {
    const [ways, lengths] = [await movesOf(ups, place, pacer), await lengthsOf(ups.g, place, pacer)];
    for (let i = 0; i < sizes.length; i++) if (lengths[i] > 0) sizes[i] = Math.max(sizes[i], ways[i] / lengths[i]);
  }
  if (sizes.some((size) => !(size <= FARTHEST))) return null;
  const terms = Array.from(sizes, interpolated);
  const groups: Group[] = [
    {
      gate: gates.g,
      up: ups?.g ?? null,
      own: down.weight.g,
      change: [down.weight.delta, new Float64Array(sizes.length).fill(1 / scale)],
    },
  ];
  for (const [k] of terms[0].entries()) {
    const at = terms.map((all) => scale * all[k].at);
    groups.push({
      gate: await between(gates, at, pacer),
      up: ups && (await between(ups, at, pacer)),
      change: [down.weight.f, Float64Array.from(terms, (all) => all[k].factor / scale)],
    });
  }
  return { layer: await layerOf(groups, parts, g, pacer) };
}

/**
 * With u and v the arguments in f and g, m halfway between them and d = u − v,
 *
 *     D_f φ(u) − D_g φ(v) = δD φ(m) + D̄ φ'(m) d + …
 *
 * in units that gate linear functions by steps. What is left out is told as an error.
 */
async function ofKinkedUnits(parts: Parts, pacer: Pacer): Promise<DifferenceLayer | null> {
  const { g, gate, down, place } = parts;
  const { scale, last } = place;
  const { slopes } = g;
  const count = gate.weight.rows;
  const rows = await bothRows(gate, place, pacer);
  const [moves, lengths] = [await movesOf(rows, place, pacer), await lengthsOf(rows.g, place, pacer)];
  const size = moves.reduce((most, move, i) => Math.max(most, lengths[i] > 0 ? move / lengths[i] : move), 0);
  if (!(size <= FARTHEST)) return null;
  const kink = kinkOf(activationOf(g))!;
  const all = (value: number) => new Float64Array(count).fill(value);
  const middle = await between(rows, all(scale / 2), pacer);
  const below = slopes === undefined ? all(kink.below) : vectorOf(slopes, count);
  const above = all(kink.above);
  const mean = await halfway(down.weight, pacer);
  const groups: Group[] = [];
  for (const [sign, slope] of [
    [1, above],
    [-1, below],
  ] as const) {
    if (slope.every((one) => one === 0)) continue;
    const facing = async (gates: Float64Array) => (sign === 1 ? gates : turned(gates, pacer));
    if (!last) {
      const own = await timesColumns(down.weight.g, slope, pacer);
      groups.push({ gate: await facing(rows.g), up: rows.g, own });
    }
    groups.push({
      gate: await facing(middle),
      up: middle,
      change: [down.weight.delta, slope.map((one) => one / scale)],
    });
    const nodes = kinkNodes(size);
    for (const node of nodes) {
      const at = await between(rows, all(scale * node), pacer);
      groups.push({ gate: await facing(at), up: rows.change, change: [mean, slope.map((one) => one / nodes.length)] });
    }
  }
  return { layer: await layerOf(groups, parts, STEP, pacer), error: kinkError(size) };
}

const STEP: Activated = { activation: 'heaviside', slope: null };

/** The layer of some groups of units, with the maps beside them. */
async function layerOf(groups: readonly Group[], parts: Parts, activated: Activated, pacer: Pacer) {
  const { f, g, gate, down, place } = parts;
  const { from, gives, last, scale } = place;
  const count = gate.weight.rows;
  const columns = from.split ? 2 * from.width : from.width;
  const [below, all] = [last ? 0 : gives, groups.length * count];
  const sides = (of: (group: Group) => Float64Array) => sideOf(groups.map(of), count, columns, pacer);
  const gates = await sides((group) => group.gate);
  const ups = groups[0].up === null ? null : await sides((group) => group.up!);
  const pieces: Piece[] = [];
  for (const [k, { own, change }] of groups.entries()) {
    const column = k * count;
    if (!last && own) pieces.push({ view: own, row: 0, column });
    if (change) pieces.push({ view: await timesColumns(change[0], change[1], pacer), row: below, column });
  }
  const constants: Piece[] = [{ view: down.bias.delta, row: below, column: 0, factor: 1 / scale }];
  if (!last) constants.push({ view: down.bias.g, row: 0, column: 0 });
  const skip = await changeOf(viewOf(f.skip), viewOf(g.skip), gives, from.width, pacer);
  const beside: Piece[] = [{ view: skip.delta, row: below, column: 0, factor: 1 / scale }];
  if (!last) beside.push({ view: skip.g, row: 0, column: 0 });
  if (from.split) beside.push({ view: skip.f, row: below, column: from.width });
  const rows = below + gives;
  const slopes = activated === g ? g.slopes : undefined;
  return {
    ...(ups === null
      ? { type: 'hidden' as const, weight: gates.weight, bias: gates.bias }
      : { type: 'gated' as const, gate: gates.weight, gateBias: gates.bias, up: ups.weight, upBias: ups.bias }),
    ...{ activation: activated.activation, slope: activated.slope },
    ...(slopes && { slopes: repeated(vectorOf(slopes, count), groups.length) }),
    down: { data: await assemble(rows, all, pieces, pacer), shape: [rows, all] },
    downBias: { data: await assemble(rows, 1, constants, pacer), shape: [rows] },
    ...((skip.f !== null || skip.g !== null) && {
      skip: { data: await assemble(rows, columns, beside, pacer), shape: [rows, columns] },
    }),
    ...{ alpha: g.alpha, beta: 1 },
  };
}

/** Rows with their biases behind, as a weight and a bias. */
async function sideOf(groups: readonly Float64Array[], count: number, columns: number, pacer: Pacer) {
  const all = groups.length * count;
  const [weight, bias] = [new Float64Array(all * columns), new Float64Array(all)];
  for (let i = 0; i < all; i++) {
    const rows = groups[Math.floor(i / count)];
    const at = (i % count) * (columns + 1);
    weight.set(rows.subarray(at, at + columns), i * columns);
    bias[i] = rows[at + columns];
    if (pacer.due(columns)) await pacer.pause();
  }
  return { weight: { data: weight, shape: [all, columns] }, bias: { data: bias, shape: [all] } };
}

function repeated(values: Float64Array, times: number) {
  const data = Float64Array.from({ length: times * values.length }, (_, i) => values[i % values.length]);
  return { data, shape: [data.length] };
}

/** A matrix with its columns times factors. */
async function timesColumns(view: MatrixView | null, factors: Float64Array, pacer: Pacer): Promise<MatrixView | null> {
  if (view === null) return null;
  const data = await assemble(view.rows, view.columns, [{ view, row: 0, column: 0 }], pacer);
  for (let start = 0; start < data.length; start += view.columns) {
    for (let j = 0; j < view.columns; j++) data[start + j] *= factors[j];
    if (pacer.due(view.columns)) await pacer.pause();
  }
  return rowMajor(data, view.rows, view.columns);
}

/** (f + g)/2. */
async function halfway({ f, g, rows, columns }: Change, pacer: Pacer): Promise<MatrixView> {
  const sum = await assemble(rows, columns, [{ view: f, row: 0, column: 0, factor: 0.5 }], pacer);
  const other = await assemble(rows, columns, [{ view: g, row: 0, column: 0, factor: 0.5 }], pacer);
  for (let k = 0; k < sum.length; k++) {
    sum[k] += other[k];
    if (pacer.due(1)) await pacer.pause();
  }
  return rowMajor(sum, rows, columns);
}
