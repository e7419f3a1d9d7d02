import type {
  ChainMethod,
  ChainSource,
  FeatureSource,
  GramRoute,
  GramTile,
  PreparedModel,
} from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import { largest } from '../../extremes.js';
import { isBlock, type LayerOf } from '../../layers/layer.js';
import type { ShapeOnly } from '../../layers/shapes.js';
import type { Layer, Model } from '../../model/model.js';
import { timesPower } from '../../tensor/power.js';
import type { TensorData } from '../../tensor/tensor.js';
import { precisionOf } from '../../tensor/tensor.js';
import { isOnehot, underLaw } from '../law/onehot.js';
import type { Member } from '../members/members.js';
import type { Comparison, OfSamples } from '../plan/comparison.js';
import { chainShape, routeCosts } from '../plan/gram_route.js';
import { TWO_BLOCK_BYTES, twoBlockSize } from '../plan/method.js';
import { inCommonUnits, type SourceInUnits } from '../scale/source.js';
import { differenceChain } from './chain.js';
import { differenceLayers } from './layers/table.js';
import { linearResolution, squaredResolution } from './resolution.js';
import { drawsFor, withRandomSigns } from './signs.js';

/**
 * Inner products with the difference of two models, always in double precision. One of the two is the reference r, the
 * other r + scale · Δ: which, depends on what they hold and not on their order. Arrays have an entry for the whole,
 * then one per slice, if there are any.
 */
export interface DifferenceProducts {
  /** Whether the second of the two is the reference. */
  readonly reference: 'first' | 'second';
  readonly scale: number;
  /** r and Δ are in units of 2^exponent. */
  readonly exponent: number;
  /** ⟨r,r⟩, ⟨r,Δ⟩ and ⟨Δ,Δ⟩. */
  readonly own: Float64Array;
  readonly mixed: Float64Array;
  readonly change: Float64Array;
  /** Errors of √⟨Δ,Δ⟩ that rounding can have caused, or `error`. */
  readonly resolution: Float64Array;
  /** What √⟨Δ,Δ⟩ is wrong by beside rounding, relative to it. */
  readonly error: number;
}

/** What is prepared: r, Δ, and where the sizes of the terms of Δ are to be measured, the same with random signs. */
interface Sources {
  readonly own: ChainSource | FeatureSource;
  readonly change: ChainSource | FeatureSource;
  readonly terms: readonly ChainSource[];
  readonly scale: number;
  readonly exponent: number;
  /** How ‖terms‖ makes an error of ‖Δ‖. */
  readonly resolve: (terms: number) => number;
  /** As in `DifferenceProducts`. */
  readonly error: number;
}

/** Forms of a difference are written out up to this many bytes. */
const DENSE_BYTES = 2 ** 29;

/** Samples have no difference beside that of their sums. */
type Compared = Exclude<Comparison, OfSamples>;

/**
 * `'equal'` where the two hold the same function by their numbers; null where their difference has no model or would
 * take too much.
 */
export async function differenceProducts(
  [a, b]: readonly [Member, Member],
  comparison: Compared,
): Promise<DifferenceProducts | 'equal' | null> {
  const { settings } = comparison;
  const { signal, threads, backend, measure, perOutput } = settings;
  const pacer = new Pacer(signal);
  const [one, two] = [await a.identity(), await b.identity()];
  if (a === b || one === two) return 'equal';
  const reference = one < two ? 'first' : 'second';
  const sources = await sourcesOf(reference === 'first' ? [b, a] : [a, b], comparison, pacer);
  if (sources === 'equal' || sources === null) return sources;
  const prepared: PreparedModel[] = [];
  const control = { signal, threads };
  try {
    for (const source of [sources.own, sources.change, ...sources.terms]) {
      prepared.push(await backend.grams.prepare(source, 'float64', control));
    }
    const [own, change, ...draws] = prepared;
    const job = { measure, symmetric: true, perOutput };
    const tile = await backend.grams.tile(job, [own, change], [own, change], control);
    const terms: Float64Array[] = [];
    for (const drawn of draws) terms.push(wholeAndSlices(await backend.grams.tile(job, [drawn], [drawn], control), 0));
    const at = (place: number) => wholeAndSlices(tile, place);
    const squares = at(3);
    return {
      reference,
      scale: sources.scale,
      exponent: sources.exponent,
      error: sources.error,
      own: at(0),
      mixed: at(1),
      change: squares,
      resolution: squares.map((square, c) => {
        const own = Math.max(0, square);
        const most = largest(
          terms.map((all) => all[c]),
          own,
        );
        return Math.max(sources.resolve(Math.sqrt(most)), sources.error * Math.sqrt(own));
      }),
    };
  } finally {
    for (const model of prepared) model.dispose();
  }
}

function wholeAndSlices({ total, perOutput }: GramTile, place: number): Float64Array {
  const size = perOutput === undefined ? 0 : perOutput.length / total.length;
  return Float64Array.from({ length: 1 + size }, (_, c) => {
    return c === 0 ? total[place] : perOutput![place * size + c - 1];
  });
}

async function sourcesOf(
  [f, g]: readonly [Member, Member],
  comparison: Compared,
  pacer: Pacer,
): Promise<Sources | 'equal' | null> {
  if (comparison.kind !== 'chains') return featureSources(f, g, comparison, pacer);
  const { method, law, info } = comparison;
  const [one, two] = [await f.load(), await g.load()];
  const [positions, inputs] = two.inputShape;
  const about = { law: isOnehot(law) ? { sigma: 1 / Math.sqrt(inputs) } : law, inputs, positions };
  const chain = (model: Model) => ({ ...about, layers: model.layers });
  const units = await inCommonUnits([chain(one), chain(two)], pacer);
  const found = await differenceChain(units.layers[0], units.layers[1], pacer, about);
  if (found === null) return null;
  const { layers, scale, error } = found;
  if (layers === null) return 'equal';
  if (!isAffordable(layers, two.inputShape, method)) return null;
  const columns = isOnehot(law) ? inputs : (law.factor?.columns ?? inputs);
  const route = routeFor(method, layers, columns, info.route);
  if (route !== undefined && !comparison.settings.backend.grams.routes.has(route)) return null;
  const chainOf = underLaw(law);
  const sourceOf = async (chain: readonly Layer[]): Promise<ChainSource> => {
    return { kind: 'chain', ...(await chainOf(chain, pacer)), inputs, positions, method, route };
  };
  const terms: ChainSource[] = [];
  for (let draw = 0; draw < drawsFor(layers); draw++) {
    terms.push(await sourceOf(await withRandomSigns(layers, draw, pacer)));
  }
  return {
    own: await sourceOf(units.layers[1]),
    change: await sourceOf(layers),
    terms,
    scale,
    error,
    exponent: units.exponent,
    resolve: (terms) => {
      const linear = route === 'dense' || (method === 'one-block' && !layers.some(isBlock));
      return linear ? linearResolution(terms, 'float64') : squaredResolution(terms);
    },
  };
}

/** Whether the inner product of a chain with itself takes no more time and memory than a comparison may. */
export function isAffordable(
  layers: readonly LayerOf<ShapeOnly>[],
  [positions, inputs]: readonly [number, number],
  method: ChainMethod,
): boolean {
  if (method === 'two-block') return twoBlockSize(layers, inputs).bytes <= TWO_BLOCK_BYTES;
  return layers.every((layer) => differenceLayers.of(layer.type).isAffordable?.(layer, positions) ?? true);
}

/**
 * Vectors subtracted: those of weights are known as they are, those of outputs to the rounding of the outputs, whose
 * norm is 1.
 */
async function featureSources(f: Member, g: Member, comparison: Compared, pacer: Pacer): Promise<Sources> {
  const [one, two] = [await comparison.sources.of(f), await comparison.sources.of(g)];
  const exponent = Math.max(one.scale?.exponent ?? 0, two.scale?.exponent ?? 0);
  const [from, own] = [await inUnit(one, exponent, pacer), await inUnit(two, exponent, pacer)];
  const segments: Float64Array[] = [];
  for (const [s, segment] of own.entries()) {
    const change = Float64Array.from(from[s]);
    for (let i = 0; i < change.length; i++) {
      change[i] -= segment[i];
      if (pacer.due(1)) await pacer.pause();
    }
    segments.push(change);
  }
  const { measure, dtype, tf32 } = comparison.info;
  const error = measure === 'weights' ? 0 : linearResolution(1, precisionOf(dtype, { tf32 }));
  return {
    ...{ own: { kind: 'features', segments: own }, change: { kind: 'features', segments } },
    ...{ terms: [], scale: 1, exponent, error: 0, resolve: () => error },
  };
}

/** Segments in units of 2^exponent. */
async function inUnit(source: SourceInUnits, exponent: number, pacer: Pacer): Promise<readonly TensorData[]> {
  const { segments } = source as FeatureSource;
  const { scale } = source;
  const result: TensorData[] = [];
  for (const [s, segment] of segments.entries()) {
    const shift = (scale?.slices?.[s] ?? scale?.exponent ?? 0) - exponent;
    if (shift === 0) {
      result.push(segment);
      continue;
    }
    const values = new Float64Array(segment.length);
    for (let i = 0; i < segment.length; i++) {
      values[i] = timesPower(segment[i], shift);
      if (pacer.due(1)) await pacer.pause();
    }
    result.push(values);
  }
  return result;
}

/**
 * Forms written out, where they are not too large: with them the error is that of the difference and not of its square.
 */
function routeFor(
  method: ChainMethod,
  layers: readonly Layer[],
  columns: number,
  taken: GramRoute | null,
): GramRoute | undefined {
  if (method !== 'one-block') return undefined;
  const shape = chainShape(layers, columns, true);
  if (shape.hidden === 0) return 'factor';
  const { memory } = routeCosts('dense', shape, 'float64');
  return memory <= DENSE_BYTES ? 'dense' : (taken ?? 'factor');
}
