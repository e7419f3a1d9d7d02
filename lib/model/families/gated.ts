import type { Activated } from '../../layers/activations.js';
import type { BilinearOf, GatedOf } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import type { Blueprint } from '../blueprint.js';
import type { ModelSettings } from '../settings.js';
import type { Everyday } from './everyday.js';
import {
  biasAt,
  isLinear,
  type LinearModule,
  matrixAt,
  modulesOf,
  ownPaths,
  type Rows,
  rowsOf,
  widthsOf,
} from './modules.js';
import { noActivation, shown, untold } from './refusals.js';

/** Three matrices of a gated block: the activation is applied to what `gate` gives, and that multiplied by `up`. */
interface Spelling {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

/** Names without `_`, case, and a `proj`, `fc`, `linear`, `ffn` or `w` around them. */
const SPELLINGS: readonly Spelling[] = [
  { gate: 'gate', up: 'up', down: 'down' },
  { gate: 'gate', up: 'in', down: 'out' },
  { gate: 'wi0', up: 'wi1', down: 'wo' },
  { gate: 'fc1g', up: 'fc1x', down: 'fc2' },
  // Llama's order, and that of the operator SwiGLU; which of the two it is shapes tell.
  { gate: 'w1', up: 'w3', down: 'w2' },
  { gate: 'w1', up: 'w2', down: 'w3' },
];

/** Gate and up stacked in one matrix, the gate first. */
const STACKED: readonly (readonly [both: string, down: string])[] = [
  ['gateup', 'down'],
  ['w12', 'w3'],
  ['wi', 'wo'],
];

/** Two sides of which neither is the gate, and what follows them. */
const SIDES: readonly (readonly [left: string, right: string])[] = [
  ['l', 'r'],
  ['left', 'right'],
];
const BEHIND_SIDES = /^(?:out(?:put)?|o|d|down|p|head|2)$/;

/**
 * One gated block, x ↦ D (φ(W x + b) ⊙ (U x + u)) + c: `gate_proj`, `up_proj`, `down_proj`; `w1`, `w3`, `w2` (Llama) or
 * `w1`, `w2`, `w3`; `wi_0`, `wi_1`, `wo`; `gate_up_proj`, `down_proj`; `w12`, `w3`; with or without biases. φ is the
 * setting `activation`; with `none` the block is bilinear, and so are two sides `l` and `r`, of which none is a gate.
 */
export const gated: Everyday = (tensors, settings) => {
  const modules = modulesOf(tensors);
  // One of several blocks, a numbered one, may have a residual around it.
  const isNumbered = modules.some(({ path }) => path.some((part) => /^\d+$/.test(part)));
  if (isNumbered || !modules.every(isLinear)) return undefined;
  const named = new Map(ownPaths(modules).map((path, i) => [plain(path), modules[i] as LinearModule]));
  if (named.size !== modules.length) return undefined;
  return stackedBlock(named, settings) ?? sidesBlock(named, settings) ?? gatedBlock(named, settings);
};

const plain = (path: readonly string[]): string => {
  const word = path.join('').toLowerCase().replace(/[-_]/g, '');
  const [, core = word] =
    /^(?:ffn|fc|linear|lin|w)?(gateup|gate|up|down|left|right|l|r)(?:proj|fc|linear|lin|layer)?$/.exec(word) ?? [];
  return core;
};

type Named = ReadonlyMap<string, LinearModule>;

function gatedBlock(named: Named, settings: ModelSettings): Blueprint | undefined {
  if (named.size !== 3) return undefined;
  const spelled = SPELLINGS.filter(({ gate, up, down }) => [gate, up, down].every((name) => named.has(name)));
  const blocks = spelled.map(({ gate, up, down }) => [gate, up, down].map((name) => named.get(name) as LinearModule));
  const [fitting, ...others] = blocks.filter((block) => rowsOfBlock(block) !== undefined);
  const { file } = settings;
  const all = [...named.values()].map(({ weight }) => shown(weight)).join(', ');
  if (fitting === undefined) return undefined;
  if (others.length > 0)
    throw untold(file, `has the matrices of a gated block, and their shapes do not tell which is the last: ${all}`);
  // Bare matrices W1, W2, W3 may be three layers in a row.
  const isBare = fitting.every(({ convention, weight }) => convention === 'either' && !/[./]/.test(weight.name));
  const rows = rowsOfBlock(fitting);
  if (rows === 'either' || (isBare && rowsOf(fitting, (way) => isChain(named, way)) !== undefined))
    throw untold(file, `has the matrices of a gated block or of a chain, and their shapes do not tell which: ${all}`);
  const [gate, up, down] = fitting.map((module) => partsAt(module, rows as Rows));
  return blockOf(gate, up, down, activationOf(settings, all));
}

/** Two sides that are named alike: with any activation it would matter which is which. */
function sidesBlock(named: Named, settings: ModelSettings): Blueprint | undefined {
  const pair = SIDES.find((names) => names.every((name) => named.has(name)));
  const behind = [...named.keys()].find((name) => BEHIND_SIDES.test(name));
  if (pair === undefined || behind === undefined || named.size !== 3) return undefined;
  const [left, right, down] = [...pair, behind].map((name) => named.get(name) as LinearModule);
  const rows = rowsOfBlock([left, right, down]);
  if (rows === undefined || rows === 'either') return undefined;
  const all = [left, right, down].map(({ weight }) => shown(weight)).join(', ');
  const stated = settings.gateActivation();
  if (stated === undefined) throw noActivation(settings.file, `has two sides and what follows them, ${all}`);
  if (stated.activation !== 'identity')
    throw untold(settings.file, `has two sides with an activation, and it is not told to which it is applied: ${all}`);
  return blockOf(partsAt(left, rows), partsAt(right, rows), partsAt(down, rows), {
    activation: 'identity',
    slope: null,
  });
}

/** Both halves in one matrix, in rows of outputs. */
function stackedBlock(named: Named, settings: ModelSettings): Blueprint | undefined {
  const names = STACKED.find(([both, down]) => named.size === 2 && named.has(both) && named.has(down));
  if (names === undefined) return undefined;
  const [both, down] = names.map((name) => named.get(name) as LinearModule);
  const [widths, behind] = [widthsOf(both, 'outputs'), widthsOf(down, 'outputs')];
  if (widths === undefined || behind === undefined || widths[1] !== 2 * behind[0]) return undefined;
  const all = [both, down].map(({ weight }) => shown(weight)).join(', ');
  const half = (which: 'first' | 'second'): Parts => ({
    weight: { tensor: both.weight.name, half: which },
    ...(both.bias && { bias: { tensor: both.bias.name, half: which } }),
  });
  return blockOf(half('first'), half('second'), partsAt(down, 'outputs'), activationOf(settings, all));
}

/** Where a matrix and its bias lie. */
interface Parts {
  readonly weight: Place;
  readonly bias?: Place;
}

const partsAt = (module: LinearModule, rows: Rows): Parts => ({
  weight: matrixAt(module, rows),
  ...biasAt('bias', module),
});

/** With an activation; a block that has none is bilinear. */
function blockOf(gate: Parts, up: Parts, down: Parts, { activation, slope }: Activated): Blueprint {
  const behind = { down: down.weight, ...(down.bias && { downBias: down.bias }), alpha: 0, beta: 1 };
  const layer: BilinearOf<Place> | GatedOf<Place> =
    activation === 'identity'
      ? {
          type: 'bilinear',
          left: gate.weight,
          right: up.weight,
          ...(gate.bias && { leftBias: gate.bias }),
          ...(up.bias && { rightBias: up.bias }),
          ...behind,
        }
      : {
          type: 'gated',
          gate: gate.weight,
          up: up.weight,
          ...(gate.bias && { gateBias: gate.bias }),
          ...(up.bias && { upBias: up.bias }),
          ...behind,
          activation,
          slope,
        };
  return { family: 'gated', positions: 1, layers: [layer] };
}

/** How the matrices of gate, up and down are read; undefined: they do not fit. */
function rowsOfBlock(block: readonly LinearModule[]): Rows | 'either' | undefined {
  return rowsOf(block, (rows) => {
    const [gate, up, down] = block.map((module) => widthsOf(module, rows));
    return (
      [gate, up, down].every((widths) => widths !== undefined) && String(gate) === String(up) && down?.[0] === gate?.[1]
    );
  });
}

function isChain(named: Named, rows: Rows): boolean {
  const widths = ['w1', 'w2', 'w3'].map((name) => named.get(name)).map((module) => module && widthsOf(module, rows));
  return widths.every((own, i) => own !== undefined && (i === 0 || widths[i - 1]?.[1] === own[0]));
}

function activationOf(settings: ModelSettings, all: string): Activated {
  const activation = settings.gateActivation();
  if (activation !== undefined) return activation;
  throw noActivation(settings.file, `has the matrices of a gated block, ${all}`);
}
