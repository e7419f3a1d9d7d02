import type { WhitenedLaw } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { residualOf } from '../../layers/layer.js';
import type { Layer } from '../../model/model.js';
import { timesPower } from '../../tensor/power.js';
import type { LayerLevels, UnitsAround } from './layers/kind.js';
import { scaleLayers } from './layers/table.js';
import { diagonal, TO_ZERO } from './rows.js';
import { inputLevels } from './stream.js';
import { areNear, type Choose, rescaleLaw, shared } from './units.js';

/** A chain under a law. */
export interface Chain {
  readonly layers: readonly Layer[];
  readonly law: WhitenedLaw;
  /** d. */
  readonly inputs: number;
  /** n. */
  readonly positions: number;
}

/**
 * A chain whose numbers are all near 1: the function of the one that it was made from, output c divided by
 * 2^exponents_c.
 */
export interface Balanced extends Chain {
  readonly exponents: Int32Array;
  /**
   * log₂ of the root mean square that every output would have if nothing in it cancelled, in its own units: rounding
   * leaves some ε of it.
   */
  readonly levels: Float64Array;
}

export interface BalanceOptions {
  /** Numbers this many bits from 1 are left as they are. The bits of a result do not depend on it. */
  readonly window: number;
  /**
   * Every output by itself, so that none is lost beside the others; else all by the same power of two, so that they can
   * be added up.
   */
  readonly apart: boolean;
  /** The input is not to be scaled: it comes from elsewhere. */
  readonly fixedInput?: boolean;
  /** For all outputs, instead of what they need. */
  readonly exponent?: number;
  /** Those of another chain of the same shape, so that both get the same units. */
  readonly levels?: ChainLevels;
  /** What is known of the levels after each layer: in all, over features and positions. By index of the layer. */
  readonly measured?: ReadonlyMap<number, number>;
}

/**
 * Moves the powers of two in the weights of a chain to where they do no harm (MATH.md section 6): moments are products
 * of up to ten numbers, which leave the range of float32, or of doubles, although the function is an ordinary one.
 * Weights, hidden units, heads and the features between layers are scaled so that their root mean squares are near 1.
 * Only exponents change, so a result keeps its bits, unless it was out of range.
 */
export async function balance(chain: Chain, options: BalanceOptions, pacer: Pacer): Promise<Balanced> {
  const { layers, law, inputs, positions } = chain;
  const { window } = options;
  const { streams, inner } = options.levels ?? (await chainLevels(chain, pacer, options.measured));
  const choose: Choose = (level) => (Math.abs(level) <= window || !Number.isFinite(level) ? 0 : Math.round(level));
  const last = streams[layers.length];
  if (!options.exponent && isCalm(layers, streams, inner, choose)) {
    return { ...chain, exponents: new Int32Array(last.length), levels: last };
  }
  const units = unitsOf(chain, streams, choose, options.fixedInput === true);
  const wanted = options.apart ? Int32Array.from(last, choose) : shared(last, choose);
  if (options.exponent !== undefined) wanted.fill(options.exponent);
  const end = layers.at(-1);
  const bound = end === undefined || unitsAround(end).carried || unitsAround(end).fixed;
  if (!bound) units[layers.length] = wanted;
  const balanced: Layer[] = [];
  for (const [i, layer] of layers.entries()) {
    const between = { from: withoutZeros(units[i], streams[i]), to: units[i + 1] };
    balanced.push(await scaleLayers.of(layer.type).rescale(layer, inner[i], between, choose, pacer));
  }
  const reached = units[layers.length];
  const even = wanted.every((exponent, c) => exponent === reached[c]);
  if (!even) {
    const factors = Float64Array.from(wanted, (exponent, c) => timesPower(1, reached[c] - exponent));
    balanced.push({ type: 'linear', weight: diagonal(factors) });
  }
  return {
    inputs,
    positions,
    law: options.fixedInput ? law : await rescaleLaw(law, units[0], pacer),
    layers: balanced,
    exponents: wanted,
    levels: last.map((level, c) => level - wanted[c]),
  };
}

/** How large numbers are at every place between the layers, and in them. */
export interface ChainLevels {
  readonly streams: readonly Float64Array[];
  readonly inner: readonly LayerLevels[];
}

/** @param measured as in `BalanceOptions`. */
export async function chainLevels(
  { layers, law, inputs, positions }: Chain,
  pacer: Pacer,
  measured?: ReadonlyMap<number, number>,
): Promise<ChainLevels> {
  const streams = [await inputLevels(law, inputs, pacer)];
  const inner: LayerLevels[] = [];
  for (const [i, layer] of layers.entries()) {
    const levels = await scaleLayers.of(layer.type).levels(layer, streams[i], positions, pacer);
    const known = measured?.get(i);
    streams.push(known === undefined ? levels.out : raised(levels.out, known, positions));
    inner.push(levels);
  }
  return { streams, inner };
}

/** Whether nothing is to be scaled, as in most networks. */
function isCalm(
  layers: readonly Layer[],
  streams: readonly Float64Array[],
  inner: readonly LayerLevels[],
  choose: Choose,
): boolean {
  const calm = (levels: Float64Array) => {
    for (let i = 0; i < levels.length; i++) if (choose(levels[i]) !== 0 || !Number.isFinite(levels[i])) return false;
    return true;
  };
  return (
    streams.every(calm) &&
    inner.every((levels) => Object.values(levels.inner).every(calm)) &&
    layers.every((layer) => choose(Math.log2(Math.abs(residualOf(layer).beta))) === 0)
  );
}

/** What is applied to a feature that is always zero is set to zero. */
function withoutZeros(units: Int32Array, levels: Float64Array): Int32Array {
  return units.map((exponent, j) => (levels[j] === Number.NEGATIVE_INFINITY ? TO_ZERO : exponent));
}

/** Levels moved together until their squares add up to what was measured, over all features and positions. */
function raised(levels: Float64Array, measured: number, positions: number): Float64Array {
  const most = levels.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (most === Number.NEGATIVE_INFINITY || !Number.isFinite(measured)) return levels;
  const sum = levels.reduce((total, level) => total + 4 ** (level - most), 0);
  const move = measured - (most + Math.log2(sum * positions) / 2);
  return levels.map((level) => level + move);
}

/**
 * Exponents of the features at every place of the chain: where a layer carries them on they stay the same, the largest
 * that is needed on the way; where one takes or gives numbers as they are, none.
 */
function unitsOf(
  { layers, law }: Chain,
  streams: readonly Float64Array[],
  choose: Choose,
  fixedInput: boolean,
): Int32Array[] {
  const around = layers.map(unitsAround);
  const units: Int32Array[] = [];
  for (let first = 0; first < streams.length; ) {
    let end = first + 1;
    while (end < streams.length && around[end - 1].carried) end++;
    const most = streams[first].map((_, j) => {
      let level = Number.NEGATIVE_INFINITY;
      for (let s = first; s < end; s++) level = Math.max(level, streams[s][j]);
      return level;
    });
    // Of the layers that give these places, and of those that take them.
    const behind = around.slice(Math.max(0, first - 1), end - 1);
    const touching = around.slice(Math.max(0, first - 1), end);
    const fixed = (first === 0 && fixedInput) || touching.some((layer) => layer.fixed);
    const even = behind.some((layer) => layer.even) && areNear(most);
    const alike = (first === 0 && law.factor === undefined) || even;
    const own = fixed ? new Int32Array(most.length) : alike ? shared(most, choose) : Int32Array.from(most, choose);
    for (; first < end; first++) units.push(own);
  }
  return units;
}

const unitsAround = (layer: Layer): UnitsAround => scaleLayers.of(layer.type).units(layer);
