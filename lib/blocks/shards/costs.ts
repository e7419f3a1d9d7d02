import { piecesIn } from '../../model/transformers/network.js';
import { sizeOf } from '../../tensor/tensor.js';
import { headFlops } from '../circuits/flops.js';
import type { BlockComparison, End } from '../comparison.js';
import { exactFlops, sampleFlops } from '../mlps/choose.js';
import type { BlockFile } from '../open.js';
import { shapesOf } from '../settings.js';
import { isEnd, type Unit } from './units.js';

/**
 * Rates of one thread of a usual machine. They decide how layers are dealt, so they are the same everywhere: what machines
 * are really capable of would deal otherwise on every one.
 */
const RATES = {
  /** Operations of exact comparisons in double precision, in a second. */
  exact: 3e10,
  /** Of samples, in single precision. */
  sampled: 3e10,
  /** Of products of heads. */
  attention: 1e10,
  /** Numbers of weights that are decoded and compared, in a second. */
  weights: 2.5e8,
  /** Bytes that are read and hashed, in a second. */
  bytes: 5e8,
};

/** What a unit takes. */
export interface UnitCost {
  /** Of weights that are read for it, as they are stored. */
  readonly bytes: number;
  /** Of one thread of a usual machine. */
  readonly seconds: number;
}

/** What every unit of a comparison is expected to take, by the headers of the files. */
export function costsOf(
  { what, files, methodOf }: Pick<BlockComparison, 'what' | 'files' | 'methodOf'>,
  units: readonly Unit[],
): UnitCost[] {
  const shapes = shapesOf(files);
  return units.map((unit) => {
    if (typeof unit === 'number') return layerCost(unit);
    if (typeof unit === 'object') {
      const { bytes } = sizeOfAll(files[unit.digest]);
      return { bytes, seconds: (2 * bytes) / RATES.bytes };
    }
    const sizes = files.map((file) => sizesIn(file, partOf(file, unit)));
    return reading(sizes);
  });

  function layerCost(place: number): UnitCost {
    const layers = files.map(({ network }) => network.layers[place]);
    const own = reading(files.map((file, i) => sizesIn(file, layers[i])));
    const attention = layers.flatMap(({ attention }) => attention ?? []);
    const isThere = attention.length === files.length;
    const heads = isThere ? headFlops(attention, files[0].network.width) / RATES.attention : 0;
    const experts = what === 'pair' ? (layers[0].experts?.experts.length ?? 1) : 1;
    const mlps = shapes[place].length === 0 ? 0 : experts * mlpSeconds(place);
    return { ...own, seconds: own.seconds + heads + mlps };
  }

  function mlpSeconds(place: number): number {
    const sampled = methodOf(files[0].network.layers[place]) === 'sampled';
    return sampled ? sampleFlops(shapes[place]) / RATES.sampled : exactFlops(shapes[place]) / RATES.exact;
  }
}

/** Of a network, what a unit that is no layer is about. */
export function partOf({ network }: BlockFile, unit: End | 'norms'): object {
  const { embeddingNorm, finalNorm } = network;
  return isEnd(unit) ? { [unit]: network[unit] } : { embeddingNorm, finalNorm };
}

interface Sizes {
  readonly bytes: number;
  readonly numbers: number;
}

function reading(sizes: readonly Sizes[]): UnitCost {
  const bytes = sizes.reduce((sum, one) => sum + one.bytes, 0);
  const numbers = sizes.reduce((sum, one) => sum + one.numbers, 0);
  return { bytes, seconds: bytes / RATES.bytes + numbers / RATES.weights };
}

/** Of the tensors that a part of a network is in. */
function sizesIn(file: BlockFile, part: object): Sizes {
  const entries = new Set([...piecesIn(part)].map(([, piece]) => file.entryOf(piece)));
  return added([...entries]);
}

const sizeOfAll = ({ checkpoint }: BlockFile): Sizes => added([...checkpoint.tensors.values()]);

function added(entries: readonly { readonly bytes: number; readonly shape: readonly number[] }[]): Sizes {
  return {
    bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0),
    numbers: entries.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
  };
}
