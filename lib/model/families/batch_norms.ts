import type { BatchNormOf } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import { quoted } from '../../words/names.js';
import type { ModelSettings } from '../settings.js';
import type { LinearModule, Module, Part } from './modules.js';
import { shown, untold } from './refusals.js';

/* Batch norms among the linear layers of a chain: which they are, and where each stands. */

const RUNNING = ['running_mean', 'running_var'] as const;
/** Names of norms that count as the layers do: `bn1` beside `fc1`, `norms.0` beside `layers.0`. */
const COUNTED = /^(?:bn|bnorm|norm|batchnorm|batchnormlayer|normlayer)s?$/;
const NUMBER = /^\d+$/;

/** A module that keeps a running mean and variance. */
export function isBatchNorm({ others }: Module): boolean {
  return RUNNING.every((role) => statistic(others, role) !== undefined) && others.length === RUNNING.length;
}

const statistic = (others: readonly Part[], role: string): Part | undefined =>
  others.find(({ name }) => name.split(/[./]/).at(-1) === role);

/** The norms behind a linear layer: before its activation, and behind that; of index −1 in front of all layers. */
export type Norms = ReadonlyMap<number, { readonly before?: BatchNormOf<Place>; readonly after?: BatchNormOf<Place> }>;

/** Where modules stand that are no norms. */
export interface Among {
  readonly layers: readonly LinearModule[];
  /** The last of all parts of a module's name. */
  readonly pathOf: (module: Module) => readonly string[];
  /** Other modules that have parameters: slopes. */
  readonly others: readonly Module[];
  /** Whether nothing stands between linear layers: then norms are where they are. */
  readonly linear: boolean;
}

/**
 * The places of batch norms. Numbers of a torch.nn.Sequential tell them where there is room for an activation on one side
 * only; else the setting `norm_place` does.
 * @throws TensimError for a norm of which nothing tells where it stands, or of another width than its layer.
 */
export function placesOf(norms: readonly Module[], among: Among, settings: ModelSettings): Norms {
  const places = new Map<number, { before?: BatchNormOf<Place>; after?: BatchNormOf<Place> }>();
  for (const norm of norms) {
    const { index, side } = placeOf(norm, norms, among, settings);
    const there = places.get(index) ?? {};
    if (there[side] !== undefined) throw unplaced(norm, settings, 'two stand in one place');
    places.set(index, { ...there, [side]: batchNormAt(norm, settings) });
  }
  return places;
}

interface NormPlace {
  /** Of the linear layer in front. */
  readonly index: number;
  readonly side: 'before' | 'after';
}

function placeOf(norm: Module, norms: readonly Module[], among: Among, settings: ModelSettings): NormPlace {
  const { layers, pathOf, others } = among;
  const all = [...layers, ...norms, ...others].map(pathOf);
  return all.every((path) => path.length === 1 && NUMBER.test(path[0]))
    ? byNumber(norm, norms, among, settings)
    : byName(norm, among, settings);
}

/** Of modules that are numbered as they follow each other; those without parameters are the numbers left out. */
function byNumber(norm: Module, norms: readonly Module[], among: Among, settings: ModelSettings): NormPlace {
  const { layers, pathOf, others, linear } = among;
  const number = (module: Module) => Number(pathOf(module)[0]);
  const own = number(norm);
  const numbers = layers.map(number);
  const index = numbers.filter((one) => one < own).length - 1;
  const last = index === layers.length - 1;
  if (index < 0 || last) {
    const beside = index < 0 ? numbers[0] - own : own - numbers[index];
    if (beside > 1 && !linear)
      throw unplaced(norm, settings, 'by its number something stands between it and the layer');
    return { index, side: 'before' };
  }
  const taken = new Set([...norms, ...others].map(number));
  const free = (from: number, to: number) =>
    Array.from({ length: to - from - 1 }, (_, i) => from + 1 + i).filter((one) => !taken.has(one)).length;
  const [from, to] = [numbers[index], numbers[index + 1]];
  const slopes = others.map(number).find((one) => from < one && one < to);
  if (linear) return { index, side: 'before' };
  if (slopes !== undefined) return { index, side: own < slopes ? 'before' : 'after' };
  const [ahead, behind] = [free(from, own), free(own, to)];
  if (ahead === 0 && behind === 0)
    throw unplaced(norm, settings, 'by the numbers no activation stands between the layers around it');
  if (ahead === 0) return { index, side: 'before' };
  if (behind === 0) return { index, side: 'after' };
  return { index, side: told(norm, settings) };
}

/** Of modules that are called by what they are, and counted alike. */
function byName(norm: Module, { layers, pathOf, linear }: Among, settings: ModelSettings): NormPlace {
  const counted = (path: readonly string[]): [stem: string, count: string] => {
    const [, stem = '', count = ''] = /^(.*?)(\d*)$/.exec(path.join('').toLowerCase().replace(/[-_]/g, '')) ?? [];
    return [stem, count];
  };
  const [stem, count] = counted(pathOf(norm));
  const found = layers.flatMap((layer, index) => (counted(pathOf(layer))[1] === count ? [index] : []));
  if (!COUNTED.test(stem) || count === '' || found.length !== 1)
    throw unplaced(norm, settings, 'its name does not tell behind which layer');
  const [index] = found;
  return { index, side: linear || index === layers.length - 1 ? 'before' : told(norm, settings) };
}

function told(norm: Module, settings: ModelSettings): 'before' | 'after' {
  const side = settings.normPlace();
  if (side !== undefined) return side;
  const [part] = norm.others;
  throw untold(
    settings.file,
    `has a batch norm, ${shown(part)}, and nothing tells whether it stands before the activation or behind it`,
    'say "norm_place": "before" or "after" (option config.normPlace, metadata or config.json)',
  );
}

function unplaced(norm: Module, settings: ModelSettings, why: string): Error {
  const names = norm.others.map(({ inFile }) => inFile);
  return untold(settings.file, `has a batch norm, ${quoted(names)}, of which it is not told where it stands: ${why}`);
}

function batchNormAt({ weight, bias, others }: Module, settings: ModelSettings): BatchNormOf<Place> {
  const [mean, variance] = RUNNING.map((role) => ({ tensor: statistic(others, role)!.name }));
  return {
    type: 'batch_norm',
    ...{ mean, variance, epsilon: settings.normEpsilon(), area: 1 },
    ...(weight && { weight: { tensor: weight.name } }),
    ...(bias && { bias: { tensor: bias.name } }),
  };
}
