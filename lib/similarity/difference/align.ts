import { largest } from '../../extremes.js';
import { bilinearOf, linearOf, residualOf, unitsOf } from '../../layers/layer.js';
import { kindOf } from '../../layers/table.js';
import type { Layer, LinearLayer } from '../../model/model.js';
import { identity } from '../../tensor/matrix.js';
import { differenceLayers } from './layers/table.js';

/**
 * Two layers of one kind at the same place of two chains, with the widths of the streams before and after them: the
 * larger of both.
 */
export interface LayerPair {
  readonly f: Layer;
  readonly g: Layer;
  readonly takes: number;
  readonly gives: number;
}

/** Identities wider than this are not worth the memory that they take. */
const WIDEST_IDENTITY = 4096;

/**
 * The layers of two chains one by one: blocks with blocks of the same kind, and linear layers between the same blocks,
 * where the shorter run is filled up with identities. Null where the chains do not stand beside each other so.
 */
export function alignLayers(f: readonly Layer[], g: readonly Layer[]): LayerPair[] | null {
  const [runsF, runsG] = [runsOf(f), runsOf(g)];
  if (runsF.length !== runsG.length) return null;
  const pairs: LayerPair[] = [];
  let widths: readonly [number, number] = [kindOf(f[0]).widths(f[0]).takes, kindOf(g[0]).widths(g[0]).takes];
  const push = (one: Layer, other: Layer) => {
    const next = [kindOf(one).widths(one).gives, kindOf(other).widths(other).gives] as const;
    pairs.push({ f: one, g: other, takes: largest(widths), gives: largest(next) });
    widths = next;
  };
  for (const [k, run] of runsF.entries()) {
    const other = runsG[k];
    for (let i = 0; i < Math.max(run.linear.length, other.linear.length); i++) {
      const [one, two] = [run.linear[i] ?? identityLayer(widths[0]), other.linear[i] ?? identityLayer(widths[1])];
      if (one === null || two === null) return null;
      push(one, two);
    }
    if (run.block === null || other.block === null) continue;
    if (!areAlike(run.block, other.block)) return null;
    push(run.block, other.block);
    const { takes, gives } = pairs.at(-1)!;
    if ((residualOf(run.block).alpha !== 0 || residualOf(other.block).alpha !== 0) && takes !== gives) return null;
  }
  return pairs;
}

/**
 * Affine layers, as linear ones, and the block behind them, a quadratic one as bilinear, a bare activation as a hidden
 * layer; the last run ends without one.
 */
interface Run {
  readonly linear: readonly LinearLayer[];
  readonly block: Layer | null;
}

function runsOf(layers: readonly Layer[]): Run[] {
  const runs: Run[] = [];
  let affine: LinearLayer[] = [];
  for (const layer of layers) {
    const linear = linearOf(layer);
    if (linear !== null) affine.push(linear);
    else {
      runs.push({ linear: affine, block: bilinearOf(layer) ?? unitsOf(layer) ?? layer });
      affine = [];
    }
  }
  return [...runs, { linear: affine, block: null }];
}

/** Whether the difference of two blocks is a block of their kind. */
function areAlike(f: Layer, g: Layer): boolean {
  return f.type === g.type && (differenceLayers.find(f.type)?.alike(f, g) ?? false);
}

function identityLayer(width: number): LinearLayer | null {
  if (width > WIDEST_IDENTITY) return null;
  return { type: 'linear', weight: { data: identity(width).data, shape: [width, width] } };
}
