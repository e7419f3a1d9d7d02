import type { Tensor } from '../tensor/tensor.js';
import { valueText } from '../words/quoting.js';
import { checkCount } from './counts.js';
import {
  checkWindows,
  MOST_DENSE,
  optionalPair,
  type Pair,
  readPair,
  sizes,
  type Windowed,
  type Windows,
  windowsOf,
} from './image.js';
import type { LayerKind, Parity } from './kind.js';
import type { LinearOf } from './linear.js';
import type { LayerReader } from './reader.js';
import type { ShapeReport } from './shapes.js';

/** The mean or the largest of every window of every channel; fields as in `PoolLayer`. */
export interface PoolOf<_> extends Windowed {
  /** Tells the kinds of layers apart. */
  readonly type: 'pool';
  /** What is taken of every window; means are linear. */
  readonly mode: 'mean' | 'max';
  /** Channels of an image. */
  readonly channels: number;
  /** Rows and columns of a window. */
  readonly kernel: Pair;
  /** Steps from window to window; null: as large as the kernel. */
  readonly stride: Pair | null;
  /** Whether padding counts as zeros in a mean, or not at all. */
  readonly countPadding: boolean;
}

export const POOL_DEFAULTS = { height: null, stride: null, padding: 0, countPadding: true } as const;

/** Means are an affine map, as convolutions are; maxima are no polynomial. */
export const pool: LayerKind = {
  type: 'pool',
  words: { adjective: 'pooling', plural: 'pooling layers', noun: 'a pooling layer' },
  parts: {
    required: [],
    optional: [],
    fields: ['mode', 'channels', 'height', 'width', 'kernel', 'stride', 'padding', 'countPadding'],
  },
  defaults: { ...POOL_DEFAULTS },
  degree: null,
  sizes: ({ mode }: PoolOf<unknown>) => ({ degree: mode === 'mean' ? 1 : null, growth: 1 }),
  mixesPositions: false,
  takesTokens: false,
  methods: {},

  parity: ({ mode }: PoolOf<unknown>): Parity => (mode === 'mean' ? 'odd' : null),

  widths(layer: PoolOf<unknown>) {
    const { input, output } = poolWindows(layer);
    return { takes: layer.channels * input[0] * input[1], gives: layer.channels * output[0] * output[1] };
  },

  check(layer: PoolOf<unknown>, report: ShapeReport) {
    const { mode, channels, kernel, countPadding } = layer;
    if (mode !== 'mean' && mode !== 'max') report.fail(`mode is ${valueText(mode)}, neither "mean" nor "max"`);
    if (typeof countPadding !== 'boolean') report.fail(`countPadding is ${valueText(countPadding)}, not true or false`);
    checkCount('channels', channels, report);
    const windows = checkWindows(layer, kernel, 1, report);
    // So that no window lies in the padding alone.
    if (windows.padding.some((padding, axis) => 2 * padding > windows.kernel[axis]))
      report.fail(`padding of ${sizes(windows.padding)} is more than half of windows of ${sizes(windows.kernel)}`);
    return null;
  },

  inWords(layer: PoolOf<unknown>) {
    const { input, output, kernel } = poolWindows(layer);
    const { mode, channels } = layer;
    return `${mode} pooling ${channels} × ${sizes(input)} → ${channels} × ${sizes(output)}, windows ${sizes(kernel)}`;
  },

  /**
   * `mode` `"mean"` or `"max"`, `channels`, `height`?, `width`, `kernel`, `stride`?, `padding`?, each of the three a
   * number or [down, across], and `countPadding`?
   */
  parse(reader: LayerReader): PoolOf<unknown> {
    const { title, fail, fields } = reader;
    reader.only(['mode', 'channels', 'height', 'width', 'kernel', 'stride', 'padding', 'countPadding']);
    const { mode, height, stride, countPadding = POOL_DEFAULTS.countPadding } = fields;
    if (mode !== 'mean' && mode !== 'max') return fail(`${title}: "mode" must be "mean" or "max"`);
    if (typeof countPadding !== 'boolean') return fail(`${title}: "countPadding" must be true or false`);
    return {
      ...{ type: 'pool', mode, countPadding },
      channels: reader.positiveInteger('channels'),
      height: height === undefined ? null : reader.positiveInteger('height'),
      width: reader.positiveInteger('width'),
      kernel: readPair(reader, 'kernel', 1),
      stride: stride === undefined ? null : readPair(reader, 'stride', 1),
      padding: optionalPair(reader, 'padding', 0, POOL_DEFAULTS.padding),
    };
  },

  isAffine(layer: PoolOf<unknown>) {
    const { takes, gives } = this.widths(layer);
    return layer.mode === 'mean' && takes * gives <= MOST_DENSE;
  },
  asBlock: 'pooling by maxima, or of images so large that its matrix is too large',

  asLinear(layer: PoolOf<Tensor>): LinearOf<Tensor> {
    const { channels, countPadding } = layer;
    const windows = poolWindows(layer);
    const { takes, gives } = this.widths(layer);
    const [size, area] = [takes / channels, gives / channels];
    const data = new Float64Array(gives * takes);
    for (let p = 0; p < area; p++) {
      const { members, share } = windowAt(windows, p, countPadding);
      for (let c = 0; c < channels; c++)
        for (const place of members) data[(c * area + p) * takes + c * size + place] = share;
    }
    return { type: 'linear', weight: { data, shape: [gives, takes] } };
  },
};

/** Where its windows lie. */
export function poolWindows(layer: PoolOf<unknown>): Windows {
  return windowsOf(layer, layer.kernel);
}

/** The places of a channel in the p-th window, and what each of them counts in its mean. */
export function windowAt(
  { input, output, kernel, stride, padding }: Windows,
  p: number,
  countPadding: boolean,
): { readonly members: readonly number[]; readonly share: number } {
  const top = Math.floor(p / output[1]) * stride[0] - padding[0];
  const left = (p % output[1]) * stride[1] - padding[1];
  const members: number[] = [];
  for (let row = Math.max(0, top); row < Math.min(input[0], top + kernel[0]); row++)
    for (let column = Math.max(0, left); column < Math.min(input[1], left + kernel[1]); column++)
      members.push(row * input[1] + column);
  return { members, share: 1 / (countPadding ? kernel[0] * kernel[1] : members.length) };
}
