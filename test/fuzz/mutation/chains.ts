import { ACTIVATION_NAMES } from '../../../lib/layers/activations.js';
import type { Random } from '../../support/random.js';
import { chance, pick } from './bytes.js';
import type { Json } from './json.js';
import { OBJECT_WORDS } from './objects.js';

/* Layers of every kind, with weights as mutation/objects.ts writes them. */

type Fields = { [key: string]: Json };

/** Draws a tensor of a shape. */
export const tensorOf = (random: Random, shape: readonly number[], fill?: string): Fields => ({
  ...{ $: 'tensor', shape: [...shape], seed: random.integer(0, 99) },
  ...(fill !== undefined && { fill }),
});

const maybe = (random: Random, fields: () => Fields): Fields => (chance(random, 0.4) ? fields() : {});
const half = (random: Random) => random.integer(1, 8) / 4;

function residual(random: Random, fits: boolean): Fields {
  return { alpha: fits && chance(random, 0.5) ? half(random) : 0, beta: half(random) };
}

/** A layer that takes `width` features. */
interface Drawn {
  readonly layer: Fields;
  readonly gives: number;
}

const KINDS: Readonly<Record<string, (random: Random, width: number) => Drawn>> = {
  linear(random, width) {
    const gives = random.integer(1, 4);
    const bias = maybe(random, () => ({ bias: tensorOf(random, [gives]) }));
    return { layer: { weight: tensorOf(random, [gives, width]), ...bias }, gives };
  },
  bilinear(random, width) {
    const [units, out] = [random.integer(1, 4), random.integer(1, 4)];
    const down = maybe(random, () => ({ down: tensorOf(random, [out, units]) }));
    const gives = 'down' in down ? out : units;
    const sides = { left: tensorOf(random, [units, width]), right: tensorOf(random, [units, width]) };
    const bias = maybe(random, () => ({ leftBias: tensorOf(random, [units]) }));
    return { layer: { ...sides, ...down, ...bias, ...residual(random, gives === width) }, gives };
  },
  attention(random, width) {
    const [heads, size] = [random.integer(1, 2), 2 * random.integer(1, 2)];
    const roles = ['q1', 'k1', 'q2', 'k2', 'v'].map((role) => [role, tensorOf(random, [heads * size, width])]);
    const gives = random.integer(1, 4);
    const o = tensorOf(random, [gives, heads * size]);
    const layer = { ...Object.fromEntries(roles), o, heads, mask: pick(random, ['causal', 'none']) };
    const rotaryBase = chance(random, 0.5) ? null : 10;
    return { layer: { ...layer, rotaryBase, ...residual(random, gives === width) }, gives };
  },
  activation: (random, width) => ({ layer: { width, ...activation(random, width) }, gives: width }),
  hidden(random, width) {
    const units = random.integer(1, 4);
    const bias = maybe(random, () => ({ bias: tensorOf(random, [units]) }));
    return behind(random, { weight: tensorOf(random, [units, width]), ...bias }, units, width);
  },
  gated(random, width) {
    const units = random.integer(1, 4);
    const [gate, up] = [tensorOf(random, [units, width]), tensorOf(random, [units, width])];
    const bias = maybe(random, () => ({ gateBias: tensorOf(random, [units]), upBias: tensorOf(random, [units]) }));
    return behind(random, { gate, up, ...bias }, units, width);
  },
  rms_norm: (random, width) => ({ layer: norm(random, width), gives: width }),
  layer_norm: (random, width) => ({ layer: norm(random, width), gives: width }),
  batch_norm(random, width) {
    const area = pick(
      random,
      [1, 2, 3, 4].filter((size) => width % size === 0),
    );
    const channels = width / area;
    const variance = tensorOf(random, [channels], 'positive');
    const weight = maybe(random, () => ({ weight: tensorOf(random, [channels]) }));
    return { layer: { mean: tensorOf(random, [channels]), variance, ...weight, epsilon: 0.125, area }, gives: width };
  },
  convolution(random, width) {
    const { channels, groups, out, size } = image(random, width);
    const kernel = random.integer(1, Math.min(3, size));
    const gives = out * (size - kernel + 1);
    const weight = tensorOf(random, [out, channels / groups, kernel]);
    return {
      layer: { weight, width: size, groups, ...maybe(random, () => ({ bias: tensorOf(random, [out]) })) },
      gives,
    };
  },
  pool(random, width) {
    const { channels, size } = image(random, width);
    const kernel = random.integer(1, size);
    const layer = { mode: pick(random, ['mean', 'max']), channels, width: size, kernel };
    return { layer, gives: channels * Math.floor(size / kernel) };
  },
  softmax_attention(random, width) {
    const [shared, each, size] = [random.integer(1, 2), random.integer(1, 2), 2 * random.integer(1, 2)];
    const heads = shared * each;
    const [gives, value] = [random.integer(1, 4), random.integer(1, 3)];
    const parts = {
      q: tensorOf(random, [heads * size, width]),
      k: tensorOf(random, [shared * size, width]),
      v: tensorOf(random, [shared * value, width]),
      o: tensorOf(random, [gives, heads * value]),
      ...maybe(random, () => ({ qBias: tensorOf(random, [heads * size]), oBias: tensorOf(random, [gives]) })),
      ...maybe(random, () => ({ qNorm: tensorOf(random, [size], 'positive'), normEpsilon: 0.125 })),
    };
    const fields = {
      ...maybe(random, () => ({ window: random.integer(1, 4) })),
      ...maybe(random, () => ({ rotaryBase: 10, rotaryLayout: pick(random, ['half', 'interleaved']) })),
      ...maybe(random, () => ({ softcap: 2, scale: 0.5 })),
      ...maybe(random, () => ({ alibi: 8 })),
    };
    const mask = pick(random, ['causal', 'none']);
    return {
      layer: { ...parts, ...fields, heads, kvHeads: shared, mask, ...residual(random, gives === width) },
      gives,
    };
  },
  positions: (random, width) => ({ layer: { weight: tensorOf(random, [4, width]) }, gives: width }),
};

function activation(random: Random, units: number): Fields {
  const name = pick(random, ACTIVATION_NAMES);
  const own = ['leaky_relu', 'elu'].includes(name) && chance(random, 0.5);
  return {
    activation: name,
    ...(own && { slope: half(random) }),
    ...(name === 'prelu' && { slopes: tensorOf(random, [units]) }),
  };
}

/** D, c and S behind units, and the residual. */
function behind(random: Random, layer: Fields, units: number, width: number): Drawn {
  const out = random.integer(1, 4);
  const down = maybe(random, () => ({ down: tensorOf(random, [out, units]) }));
  const gives = 'down' in down ? out : units;
  const bias = maybe(random, () => ({ downBias: tensorOf(random, [gives]) }));
  const skip = maybe(random, () => ({ skip: tensorOf(random, [gives, width]) }));
  const around = { ...activation(random, units), ...residual(random, gives === width) };
  return { layer: { ...layer, ...down, ...bias, ...skip, ...around }, gives };
}

function norm(random: Random, width: number): Fields {
  const weight = maybe(random, () => ({ weight: tensorOf(random, [width]), offset: random.integer(0, 1) }));
  return { ...weight, features: width, epsilon: 0.125 };
}

/** A width as channels of a length. */
function image(random: Random, width: number) {
  const channels = pick(
    random,
    [1, 2, 3, 4].filter((count) => width % count === 0),
  );
  const groups = channels % 2 === 0 && chance(random, 0.3) ? 2 : 1;
  return { channels, groups, out: groups * random.integer(1, 2), size: width / channels };
}

export const KIND_NAMES = Object.keys(KINDS);

/** A layer of some kind, or of this one, that takes `width` features. */
export function rightLayer(random: Random, width: number, type = pick(random, KIND_NAMES)): Drawn {
  const { layer, gives } = KINDS[type](random, width);
  return { layer: { type, ...layer }, gives };
}

/** Layers that fit each other. */
export function rightChain(random: Random): { readonly layers: Json[]; readonly width: number } {
  const width = random.integer(1, 4);
  const layers: Json[] = [];
  for (let last = width, left = random.integer(1, 3); left > 0; left--) {
    const { layer, gives } = rightLayer(random, last);
    layers.push(layer);
    last = gives;
  }
  return { layers, width };
}

/** The names of all parts and fields, and the words that they take. */
export const LAYER_WORDS: readonly string[] = [
  ...OBJECT_WORDS,
  ...KIND_NAMES,
  ...ACTIVATION_NAMES,
  ...['weight', 'bias', 'left', 'right', 'down', 'leftBias', 'downBias', 'gate', 'up', 'gateBias', 'upBias', 'skip'],
  ...['slopes', 'slope', 'activation', 'alpha', 'beta', 'width', 'height', 'area', 'channels', 'groups', 'kernel'],
  ...['stride', 'padding', 'dilation', 'mode', 'mean', 'max', 'countPadding', 'variance', 'epsilon', 'offset'],
  ...['features', 'q', 'k', 'v', 'o', 'q1', 'qBias', 'oBias', 'qNorm', 'kNorm', 'heads', 'kvHeads', 'mask', 'causal'],
  ...['none', 'window', 'scale', 'softcap', 'rotaryBase', 'rotaryDimension', 'rotaryLayout', 'rotaryScaling', 'alibi'],
  ...['half', 'interleaved', 'normEpsilon', 'normOffset', '__proto__', 'constructor', 'toJSON', 'data'],
];

/** The largest number in a tree that is no seed; what is larger than all that can be counted does not count. */
export function largestIn(tree: Json | undefined): number {
  if (typeof tree === 'number') return Math.abs(tree) < 2 ** 45 ? Math.abs(tree) : 0;
  if (typeof tree !== 'object' || tree === null) return 0;
  const values = Array.isArray(tree)
    ? tree
    : Object.entries(tree).flatMap(([key, one]) => (key === 'seed' ? [] : [one]));
  return values.reduce((largest: number, value) => Math.max(largest, largestIn(value)), 0);
}
