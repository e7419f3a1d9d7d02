import type { GramMachine, GramRoute, Grams } from '../../backend/grams.js';
import { TensimError } from '../../errors.js';
import { smallest } from '../../extremes.js';
import { hiddenOf, isBlock, type LayerOf } from '../../layers/layer.js';
import type { ShapeOnly } from '../../layers/shapes.js';
import { kindOf } from '../../layers/table.js';
import type { DType } from '../../tensor/tensor.js';
import { bytesIn } from '../../words/bytes.js';
import { allOf } from '../gram/pairs.js';
import { oneTile } from '../gram/tile_size.js';
import type { RouteEstimate } from '../terms/types.js';

/** The sizes of a chain of at most one bilinear block, under a law with k columns (MATH.md section 3). */
export interface ChainShape {
  /** k, the size of the whitened input. */
  readonly inputs: number;
  /** m, the narrowest of the linear layers before the block; null where there are none. */
  readonly embedding: number | null;
  /** h; 0 without a block. */
  readonly hidden: number;
  readonly outputs: number;
  /** Whether there is a part of degree one: a residual, biases in the block, a mean, or no block. */
  readonly linear: boolean;
}

/** A Gram matrix to be planned. */
export interface RouteJob {
  /** One per model, all of the same inputs and outputs. */
  readonly chains: readonly ChainShape[];
  /** Inner products to compute, those of models with themselves among them; default all N(N+1)/2. */
  readonly pairs?: number | undefined;
  readonly dtype: DType;
  /** Bytes that prepared models may take together; default: no limit. */
  readonly memoryLimit?: number | undefined;
  /**
   * Bytes that can be had where there is no limit: a route that takes more is for when every route does. Default: any
   * number.
   */
  readonly memory?: number | undefined;
}

export interface RoutePlan {
  readonly route: GramRoute;
  /** Every route that applies, the chosen one among them. */
  readonly estimates: readonly RouteEstimate[];
}

/** What is known about an executor: its rates, and the routes that it can take with what each reaches of them. */
export type RouteMachine = Pick<GramMachine, 'flopsPerSecond' | 'bytesPerSecond' | 'pace'> &
  Pick<Grams, 'routes' | 'once'>;

/** What a model costs once, what a pair costs, and what a model takes in memory. */
export interface RouteCosts {
  readonly prepare: Cost;
  readonly pair: Cost;
  readonly memory: number;
  /** Bytes that preparing moves where large forms are made in the one tile of all pairs; absent: the same. */
  readonly made?: number;
}

export interface Cost {
  readonly flops: number;
  /** Moved between main memory and the processor; new memory counts `NEW_MEMORY` times. */
  readonly bytes: number;
}

/** What a byte of new memory costs, in bytes that are moved: the system hands it out page by page, and clears it. */
const NEW_MEMORY = 8;
/** Models whose factors are multiplied with each other while they are in a cache. */
const FACTOR_BLOCK = 4;
/** The same for forms, of which a little at a time is multiplied. */
const FORM_BLOCK = 96;

/**
 * What each route is expected to take for a job, and the quickest of them. Where not even two models fit the limit, a
 * route is not considered; where not all do, models are prepared again for every group that they meet. The choice
 * follows from the job and the rates alone: the pace of the machine is in the seconds that are told, and in nothing
 * else.
 *
 *     planRoute({ chains: models.map(…), dtype }, { ...(await grams.machine(dtype)), routes: grams.routes })
 *
 * @throws TensimError `MEMORY_LIMIT` where no route fits.
 */
export function planRoute(job: RouteJob, machine: RouteMachine): RoutePlan {
  const { chains, memoryLimit = Number.POSITIVE_INFINITY, memory = Number.POSITIVE_INFINITY } = job;
  const count = chains.length;
  const pairs = job.pairs ?? allOf(count);
  const shape = meanShape(chains);
  const known = routesOf(shape).filter((route) => machine.routes.has(route));
  const costs = known.map((route) => {
    return estimate(route, routeCosts(route, shape, job.dtype), { count, pairs, memoryLimit }, machine);
  });
  const possible = costs.filter((each) => each.memory <= memoryLimit || (2 * each.memory) / count <= memoryLimit);
  if (possible.length === 0) {
    const least = costs.reduce((best, next) => (next.memory < best.memory ? next : best));
    throw new TensimError(
      'MEMORY_LIMIT',
      `a pair of models takes ${bytesIn('MiB', (2 * least.memory) / count)} MiB by the route "${least.route}", more than the limit of ${bytesIn('MiB', memoryLimit)} MiB`,
      { hint: 'Raise the limit, or use dtype "float32"' },
    );
  }
  const held = possible.filter((each) => Math.min(each.memory, memoryLimit) <= memory);
  const best = (held.length > 0 ? held : possible).reduce((quickest, next) =>
    next.seconds < quickest.seconds ? next : quickest,
  );
  const told = (seconds: number) => Number((seconds / machine.pace).toPrecision(3));
  return { route: best.route, estimates: costs.map((each) => ({ ...each, seconds: told(each.seconds) })) };
}

/** The shape of a chain of at most one quadratic block; `columns` is k of the law. */
export function chainShape(layers: readonly LayerOf<ShapeOnly>[], columns: number, hasMean: boolean): ChainShape {
  const place = layers.findIndex(isBlock);
  const before = place === -1 ? layers : layers.slice(0, place);
  const last = layers.at(-1)!;
  const block = layers[place];
  const widths = before.map((layer) => kindOf(layer).widths(layer).gives);
  const parity = (layer: LayerOf<ShapeOnly>) => kindOf(layer).parity(layer);
  return {
    inputs: columns,
    embedding: place === -1 || widths.length === 0 ? null : smallest(widths),
    hidden: block === undefined ? 0 : hiddenOf(block),
    outputs: kindOf(last).widths(last).gives,
    linear:
      hasMean || block === undefined || parity(block) !== 'even' || before.some((layer) => parity(layer) !== 'odd'),
  };
}

/** Models differ at most in h and m; a job costs what it would with all of the mean size. */
function meanShape(chains: readonly ChainShape[]): ChainShape {
  const mean = (value: (shape: ChainShape) => number) =>
    chains.reduce((sum, shape) => sum + value(shape), 0) / chains.length;
  const embedded = chains.some(({ embedding }) => embedding !== null);
  return {
    ...chains[0],
    hidden: mean(({ hidden }) => hidden),
    embedding: embedded ? mean(({ embedding, inputs }) => embedding ?? inputs) : null,
    linear: chains.some(({ linear }) => linear),
  };
}

/** Unfolding pays only behind an embedding; without units there is nothing to choose. */
function routesOf({ embedding, hidden }: ChainShape): GramRoute[] {
  if (hidden === 0) return ['factor'];
  return embedding === null ? ['factor', 'dense'] : ['factor', 'unfolded', 'dense'];
}

/** What models of a shape cost by a route. */
export function routeCosts(route: GramRoute, shape: ChainShape, dtype: DType): RouteCosts {
  return COSTS[route](shape, dtype);
}

type CostsOf = (shape: ChainShape, dtype: DType) => RouteCosts;

const itemBytes = (dtype: DType) => (dtype === 'float64' ? 8 : 4);
const linearSize = ({ linear, outputs, inputs }: ChainShape) => (linear ? outputs * inputs : 0);
/** L and R through the layers before them. */
const foldFlops = ({ hidden, embedding, inputs }: ChainShape) =>
  embedding === null ? 0 : 2 * 2 * hidden * embedding * inputs;

const COSTS: Readonly<Record<GramRoute, CostsOf>> = {
  factor(shape, dtype) {
    const { inputs, hidden, outputs } = shape;
    const size = 2 * 2 * hidden * inputs + linearSize(shape); // packed once as rows and once as columns
    const memory = size * itemBytes(dtype) + 2 * 8 * hidden * outputs;
    return {
      prepare: { flops: foldFlops(shape) + 2 * hidden * inputs, bytes: NEW_MEMORY * memory },
      pair: { flops: pairFlops(shape, inputs), bytes: (2 * memory) / FACTOR_BLOCK },
      memory,
    };
  },

  unfolded(shape, dtype) {
    const { inputs, hidden, outputs } = shape;
    const width = shape.embedding ?? inputs;
    const size = 2 * (2 * hidden * width + width * inputs) + linearSize(shape);
    const memory = size * itemBytes(dtype) + 2 * 8 * hidden * outputs;
    const metric = 2 * width * width * inputs;
    const through = 2 * 2 * hidden * width * width;
    return {
      prepare: { flops: metric + through, bytes: NEW_MEMORY * memory },
      pair: { flops: metric + through + pairFlops(shape, width), bytes: (2 * memory) / FACTOR_BLOCK },
      memory,
    };
  },

  dense(shape, dtype) {
    const { inputs, hidden, outputs } = shape;
    const packed = (inputs * (inputs + 1)) / 2;
    const size = outputs * packed + linearSize(shape);
    const memory = size * itemBytes(dtype);
    return {
      prepare: { flops: foldFlops(shape) + (2 * outputs + 3) * hidden * packed, bytes: NEW_MEMORY * memory },
      pair: { flops: 2 * size, bytes: (2 * memory) / FORM_BLOCK },
      memory,
      made: NEW_MEMORY * (2 * hidden * inputs + linearSize(shape)) * itemBytes(dtype),
    };
  },
};

/** Four h×h products over `depth`, their reduction over the outputs, and the part of degree one. */
function pairFlops(shape: ChainShape, depth: number): number {
  const { hidden, outputs } = shape;
  return 2 * (2 * hidden) ** 2 * depth + 2 * hidden * hidden * outputs + 2 * linearSize(shape);
}

/** In seconds of one thread of a machine of this class. */
function estimate(
  route: GramRoute,
  { prepare, pair, memory, made = prepare.bytes }: RouteCosts,
  { count, pairs, memoryLimit }: { readonly count: number; readonly pairs: number; readonly memoryLimit: number },
  { flopsPerSecond, bytesPerSecond, routes, once = false }: RouteMachine,
): RouteEstimate {
  const prepared = preparations(count, memory, memoryLimit);
  const efficiency = routes.get(route)!;
  const effective = (prepared * prepare.flops) / efficiency.prepare + (pairs * pair.flops) / efficiency.pair;
  const isOne = once && prepared === count && pairs === allOf(count) && oneTile(count, count * memory, 0) > 0;
  const bytes = prepared * (isOne ? made : prepare.bytes) + pairs * pair.bytes;
  return {
    route,
    flops: prepared * prepare.flops + pairs * pair.flops,
    bytes,
    seconds: effective / flopsPerSecond + bytes / bytesPerSecond,
    memory: count * memory,
  };
}

/**
 * How often models are prepared in all, when two groups of them fit the limit at a time and every group meets every
 * other.
 */
function preparations(count: number, memory: number, memoryLimit: number): number {
  if (count * memory <= memoryLimit) return count;
  const group = Math.max(1, Math.floor(memoryLimit / memory / 2));
  const groups = Math.ceil(count / group);
  return (count * (groups + 1)) / 2;
}
