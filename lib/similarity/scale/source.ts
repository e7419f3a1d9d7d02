import type { ForwardSource } from '../../backend/forward.js';
import type { ChainSource, FeatureSource } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { largest } from '../../extremes.js';
import { blocksOf } from '../../layers/layer.js';
import type { Layer } from '../../model/model.js';
import { addLevels, exponentOf, levelOf, timesPower } from '../../tensor/power.js';
import type { DType } from '../../tensor/tensor.js';
import { type Balanced, balance, type Chain, type ChainLevels, chainLevels } from './balance.js';
import type { ModelScale } from './model_scale.js';

/**
 * How large numbers may get before they are scaled, in bits from 1: products of ten of them stay far within the range.
 */
export const WINDOW: Readonly<Record<DType, number>> = { float32: 8, float64: 30 };

/** What a backend prepares of a model, in its units. */
export type SourceInUnits = (ChainSource | FeatureSource) & {
  readonly scale?: ModelScale;
  /** The chain that it was made from: units for other numbers, or from better levels, begin there. */
  readonly chain?: Chain;
};

export interface ScaleSettings {
  readonly dtype: DType;
  /** Every slice is wanted, and none may be lost beside the others. */
  readonly perOutput: boolean;
}

/** A chain for a backend. */
export async function chainSource(
  chain: Chain,
  { method, route, gain }: Pick<ChainSource, 'method' | 'route' | 'gain'>,
  { dtype, perOutput }: ScaleSettings,
  pacer: Pacer,
  measured?: ReadonlyMap<number, number>,
): Promise<SourceInUnits> {
  const options = { window: WINDOW[dtype], apart: perOutput, ...(measured && { measured }) };
  const balanced = await balance(chain, options, pacer);
  const { layers, law, inputs, positions } = balanced;
  return {
    ...{ kind: 'chain', layers, law, inputs, positions, method, route, ...(gain && { gain }) },
    scale: scaleOf(balanced),
    chain,
  };
}

function scaleOf({ layers, exponents, levels, positions }: Balanced): ModelScale {
  const exponent = exponents.reduce((most, one) => Math.max(most, one), exponents[0] ?? 0);
  const slices = exponents.some((one) => one !== exponent) ? exponents : null;
  const level = levels.reduce((sum, one, c) => addLevels(sum, one + exponents[c] - exponent), Number.NEGATIVE_INFINITY);
  const over = levelOf(positions);
  // Estimates of many blocks are not good enough to tell a slice from rounding.
  const near = blocksOf(layers).length < 3;
  return { exponent, slices, level: level + over, sliceLevels: near ? levels.map((one) => one + over) : null };
}

/**
 * Plain vectors for a backend: the parameters of a model, a slice each. Their products are sums of squares, which leave
 * the range first.
 */
export async function featureSource(
  segments: FeatureSource['segments'],
  { dtype, perOutput }: ScaleSettings,
  pacer: Pacer,
): Promise<SourceInUnits> {
  const own: number[] = [];
  for (const segment of segments) {
    let most = 0;
    for (let i = 0; i < segment.length; i++) {
      most = Math.max(most, Math.abs(segment[i]));
      if (pacer.due(1)) await pacer.pause();
    }
    own.push(exponentOf(most));
  }
  const choose = (level: number) => (Math.abs(level) <= WINDOW[dtype] || !Number.isFinite(level) ? 0 : level);
  const all = choose(largest(own));
  const exponents = own.map((level) => (perOutput ? choose(level) : all));
  if (exponents.every((exponent) => exponent === 0)) return { kind: 'features', segments };
  const scaled = segments.map((segment, s) => {
    if (exponents[s] === 0) return segment;
    return Float64Array.from(segment, (value) => timesPower(value, -exponents[s]));
  });
  const exponent = largest(exponents);
  const slices = exponents.some((one) => one !== exponent) ? Int32Array.from(exponents) : null;
  return { kind: 'features', segments: scaled, scale: { exponent, slices, level: null, sliceLevels: null } };
}

/**
 * A chain to be run on inputs that are drawn from its law, or look like it: in units, which cost the outputs no digit.
 * @param input how inputs come, as in `ForwardSource`.
 */
export async function forwardSource(
  chain: Chain,
  input: ForwardSource['input'],
  { dtype, perOutput }: ScaleSettings,
  pacer: Pacer,
): Promise<{ readonly source: ForwardSource; readonly scale: ModelScale }> {
  const balanced = await balance(chain, { window: WINDOW[dtype], apart: perOutput, fixedInput: true }, pacer);
  const { layers, inputs: features, positions } = balanced;
  return { source: { layers, positions, features, input }, scale: scaleOf(balanced) };
}

/** Features of networks that are nearly the same are this near in size, in bits. */
const ALIKE = 2;

/**
 * Two chains in the same units: the functions divided by 2^exponent, under a law that stays as it is. What is nearly
 * the same in both stays so, inside of them too.
 */
export async function inCommonUnits(
  chains: readonly [Chain, Chain],
  pacer: Pacer,
): Promise<{ readonly layers: readonly [readonly Layer[], readonly Layer[]]; readonly exponent: number }> {
  const options = { window: WINDOW.float64, apart: false, fixedInput: true };
  const levels = [await chainLevels(chains[0], pacer), await chainLevels(chains[1], pacer)];
  const shared = areAlike(levels[0], levels[1]);
  const own = (i: number) => ({ ...options, levels: levels[shared ? 0 : i] });
  const exponents = [0, 1].map(async (i) => (await balance(chains[i], own(i), pacer)).exponents[0] ?? 0);
  const exponent = largest(await Promise.all(exponents));
  const layers = async (i: number) => (await balance(chains[i], { ...own(i), exponent }, pacer)).layers;
  return { layers: [await layers(0), await layers(1)], exponent };
}

function areAlike(one: ChainLevels, other: ChainLevels): boolean {
  const near = (a: Float64Array, b: Float64Array | undefined) =>
    a.length === b?.length && a.every((level, i) => level === b[i] || Math.abs(level - b[i]) <= ALIKE);
  return (
    one.streams.length === other.streams.length &&
    one.streams.every((levels, i) => near(levels, other.streams[i])) &&
    one.inner.every(({ inner }, i) => Object.entries(inner).every(([name, of]) => near(of, other.inner[i].inner[name])))
  );
}
