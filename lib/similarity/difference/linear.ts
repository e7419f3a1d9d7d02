import type { Pacer } from '../../cooperate.js';
import type { LinearLayer } from '../../model/model.js';
import type { Probes } from './probes.js';
import { assemble, type Change, changeOf, type Piece, viewOf } from './weights.js';

/**
 * The stream of a difference chain at one place: x_g, or with the difference beside it (x_g, Δ), each of width `width`.
 */
export interface Stream {
  readonly width: number;
  /** Whether Δ is there. */
  readonly split: boolean;
  /** Whether it can differ from zero. */
  readonly moved: boolean;
}

/** What a layer of a difference chain is to give. */
export interface Place {
  readonly from: Stream;
  /** Width of x_g behind the layer. */
  readonly gives: number;
  /** Give Δ alone: nothing comes that needs x_g. */
  readonly last: boolean;
  readonly scale: number;
  /** The stream before the layer at some inputs; null behind a block, and where no law is known. */
  readonly probes: Probes | null;
}

/** A linear function of the stream in f and in g. */
export interface LinearChange {
  readonly weight: Change;
  readonly bias: Change;
}

export async function linearChanges(
  f: LinearLayer,
  g: LinearLayer,
  takes: number,
  gives: number,
  pacer: Pacer,
): Promise<LinearChange[]> {
  const weight = await changeOf(viewOf(f.weight), viewOf(g.weight), gives, takes, pacer);
  return [{ weight, bias: await changeOf(viewOf(f.bias), viewOf(g.bias), gives, 1, pacer) }];
}

/** (x_g, Δ) ↦ (W_g x_g + b_g, W_f Δ + (δW x_g + δb)/scale). */
export async function differenceLinear(
  f: LinearLayer,
  g: LinearLayer,
  { from, gives, last, scale }: Place,
  pacer: Pacer,
): Promise<LinearLayer> {
  const [change] = await linearChanges(f, g, from.width, gives, pacer);
  const kinds = last ? (['change'] as const) : (['g', 'change'] as const);
  const { weight, bias } = await stacked(change, kinds, { from, scale }, pacer);
  return { type: 'linear', weight, ...(bias && { bias }) };
}

/**
 * One of the three linear functions of a stream that a difference is made of: that of g, that of f, and (f − g)/scale.
 */
export type FunctionOf = 'g' | 'f' | 'change';

/** Such functions below each other, as functions of the stream. */
export async function stacked(
  { weight, bias }: LinearChange,
  kinds: readonly FunctionOf[],
  { from, scale }: Pick<Place, 'from' | 'scale'>,
  pacer: Pacer,
) {
  const { rows, columns: width } = weight;
  const weights: Piece[] = [];
  const biases: Piece[] = [];
  for (const [k, kind] of kinds.entries()) {
    const row = k * rows;
    const own = kind === 'change' ? 'delta' : kind;
    const factor = kind === 'change' ? 1 / scale : 1;
    weights.push({ view: weight[own], row, column: 0, factor });
    biases.push({ view: bias[own], row, column: 0, factor });
    // x_f = x_g + scale · Δ
    if (from.split && kind !== 'g') {
      weights.push({ view: weight.f, row, column: width, factor: kind === 'f' ? scale : 1 });
    }
  }
  const [all, columns] = [kinds.length * rows, from.split ? 2 * width : width];
  const constants = await assemble(all, 1, biases, pacer);
  return {
    weight: { data: await assemble(all, columns, weights, pacer), shape: [all, columns] },
    bias: bias.f === null && bias.g === null ? null : { data: constants, shape: [all] },
  };
}
