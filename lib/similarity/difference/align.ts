import type { Layer, LinearLayer } from '../../model/model.js';
import { identity } from '../../tensor/matrix.js';

/** Two layers of one kind at the same place of two chains, with the widths of the streams before and after them: the larger of both. */
export interface LayerPair {
  readonly f: Layer;
  readonly g: Layer;
  readonly takes: number;
  readonly gives: number;
}

/** Identities wider than this are not worth the memory that they take. */
const WIDEST_IDENTITY = 4096;

/**
 * The layers of two chains one by one: blocks with blocks of the same kind, and linear layers between the same blocks, where the shorter run is
 * filled up with identities. Null where the chains do not stand beside each other so.
 */
export function alignLayers(f: readonly Layer[], g: readonly Layer[]): LayerPair[] | null {
  const [runsF, runsG] = [runsOf(f), runsOf(g)];
  if (runsF.length !== runsG.length) return null;
  const pairs: LayerPair[] = [];
  let widths: readonly [number, number] = [inputsOf(f[0]), inputsOf(g[0])];
  const push = (one: Layer, other: Layer) => {
    const next = [outputsOf(one), outputsOf(other)] as const;
    pairs.push({ f: one, g: other, takes: Math.max(...widths), gives: Math.max(...next) });
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
    if (!sameKind(run.block, other.block)) return null;
    push(run.block, other.block);
    const { takes, gives } = pairs.at(-1)!;
    if ((run.block.alpha !== 0 || other.block.alpha !== 0) && takes !== gives) return null;
  }
  return pairs;
}

type Block = Exclude<Layer, LinearLayer>;

/** Linear layers and the block behind them; the last run ends without one. */
interface Run {
  readonly linear: readonly LinearLayer[];
  readonly block: Block | null;
}

function runsOf(layers: readonly Layer[]): Run[] {
  const runs: Run[] = [];
  let linear: LinearLayer[] = [];
  for (const layer of layers) {
    if (layer.type === 'linear') linear.push(layer);
    else {
      runs.push({ linear, block: layer });
      linear = [];
    }
  }
  return [...runs, { linear, block: null }];
}

/** Whether the difference of two blocks is a block of their kind. */
function sameKind(f: Block, g: Block): boolean {
  if (f.type === 'bilinear' || g.type === 'bilinear') return f.type === g.type;
  if (f.alpha !== g.alpha) return false;
  const size = ({ q1, heads }: typeof f) => q1.shape[0] / heads;
  return size(f) === size(g) && f.mask === g.mask && f.rotaryBase === g.rotaryBase;
}

function identityLayer(width: number): LinearLayer | null {
  if (width > WIDEST_IDENTITY) return null;
  return { type: 'linear', weight: { data: identity(width).data, shape: [width, width] } };
}

export function inputsOf(layer: Layer): number {
  return (layer.type === 'linear' ? layer.weight : layer.type === 'bilinear' ? layer.left : layer.q1).shape[1];
}

export function outputsOf(layer: Layer): number {
  if (layer.type === 'linear') return layer.weight.shape[0];
  return (layer.type === 'attention' ? layer.o : (layer.down ?? layer.left)).shape[0];
}
