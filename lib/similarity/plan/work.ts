import type { ChainMethod } from '../../backend/grams.js';
import type { Work } from '../../backend/work.js';
import { weightsIn } from '../../evaluation/work.js';
import { largest, smallest } from '../../extremes.js';
import { hiddenOf, isBlock, type LayerOf, partsOf } from '../../layers/layer.js';
import type { ShapeOnly } from '../../layers/shapes.js';
import { kindOf } from '../../layers/table.js';
import type { Outline } from '../../model/reading/outline.js';
import { sizeOf } from '../../tensor/tensor.js';
import { tileSize } from '../gram/tile_size.js';
import { isOnehot, type LawOfInputs } from '../law/onehot.js';
import type { SampledLaw } from '../sampled/sampled.js';
import { FIRST_SAMPLES, hasPilot, PILOT_MODELS, PILOT_SAMPLES } from '../sampled/sizes.js';
import type { Settings } from '../terms/options.js';
import { type ChainShape, chainShape, routeCosts } from './gram_route.js';
import { columnsOf, exactFlops, sampleFlops } from './long_job.js';

/** What is compared, as far as work depends on it. */
interface Compared extends Pick<Settings, 'dtype' | 'threads'> {
  readonly models: readonly Outline[];
  /** Inner products to compute, those of models with themselves among them; default: those of all models. */
  readonly pairs?: number | undefined;
}

/** The work of comparing chains by a method, as `Work` counts it: roughly, and rather less than more. */
export function chainWork(compared: Compared, method: ChainMethod, law: LawOfInputs): Work {
  const { models } = compared;
  const count = models.length;
  const pairs = compared.pairs ?? (count * (count + 1)) / 2;
  const columns = columnsOf(models, law);
  if (method === 'hidden') {
    const flops = exactFlops({ models, columns, pairs });
    return { ...extentOf(compared), kind: 'units', flops, hostFlops: 0, tilesAt: tilesOf(pairs) };
  }
  if (method === 'one-block') {
    const costs = models.map((model) => {
      const shape = shapeUnder(model, law);
      const [factor, dense] = [routeCosts('factor', shape, compared.dtype), routeCosts('dense', shape, compared.dtype)];
      // Layers before the block are folded into it on the processor; forms are expanded where they are multiplied.
      const folded = factor.prepare.flops;
      const each = (pairs / count) * dense.pair.flops + dense.prepare.flops - folded;
      return { folded, flops: Math.min((pairs / count) * factor.pair.flops, each) };
    });
    const [flops, hostFlops] = [sum(costs, (cost) => cost.flops), sum(costs, ({ folded }) => folded)];
    return { ...extentOf(compared), kind: 'pairs', flops, hostFlops, tilesAt: tilesOf(pairs, flops) };
  }
  const flopsOf = method === 'two-block' ? twoBlockFlops : closureFlops;
  const each = models.map(({ layers, inputShape }) => flopsOf(layers, inputShape[0]));
  // What belongs to one model takes about as much as a pair: where the pairs are taken by the closure, of two blocks on
  // the processor, and for the tensor nothing.
  const own = sum(each, (flops) => flops);
  const flops = (pairs / count + (method === 'closure' ? 1 : 0)) * own;
  const hostFlops = method === 'two-block' ? own : 0;
  return { ...extentOf(compared), kind: 'closure', flops, hostFlops, tilesAt: tilesOf(pairs) };
}

/** That of comparing parameters as vectors. */
export function vectorWork(compared: Compared): Work {
  const { models } = compared;
  const pairs = compared.pairs ?? (models.length * (models.length + 1)) / 2;
  const lengths = models.map(({ parameters }) => sum([...parameters.values()], ({ shape }) => sizeOf(shape)));
  const flops = (2 * pairs * sum(lengths, (length) => length)) / models.length;
  return { ...extentOf(compared), kind: 'vectors', flops, hostFlops: 0, tilesAt: tilesOf(pairs) };
}

/** That of a pilot, of the first samples, and of those that the result is made of if they are no more. */
export function sampleWork(compared: Compared, law: SampledLaw, maxSamples: number): Work {
  const { models } = compared;
  const inputs = Math.min(maxSamples, 2 * FIRST_SAMPLES);
  const [positions] = models[0].inputShape;
  const piloted = law !== 'tokens' && hasPilot(positions * columnsOf(models, law), maxSamples);
  // A pilot evaluates some of the models, and multiplies no outputs.
  const evaluated = Math.min(PILOT_MODELS, models.length) / models.length;
  const weights = sum(models, ({ layers }) => weightsIn(layers));
  const pilot = piloted ? PILOT_SAMPLES * 2 * positions * evaluated * weights : 0;
  const flops = pilot + inputs * sampleFlops({ models, columns: 0 });
  return { ...extentOf(compared), kind: 'samples', flops, hostFlops: 0 };
}

/**
 * How many tiles pairs are cut into on a machine of some rate.
 * @param flops of all; left out where tiles do not depend on them.
 */
const tilesOf = (pairs: number, flops?: number) => (rate: number) =>
  Math.ceil(pairs / tileSize(flops === undefined ? null : flops / pairs, 0, rate) ** 2);

const sum = <Item>(items: readonly Item[], of: (item: Item) => number): number =>
  items.reduce((total, item) => total + of(item), 0);

/** What goes to a device and has to be there: weights in the type that is computed in, packed once more beside. */
function extentOf({ models, dtype, threads }: Compared): Pick<Work, 'dtype' | 'bytes' | 'held' | 'threads'> {
  const size = dtype === 'float64' ? 8 : 4;
  const bytes = models.map(({ layers }) => size * sum(layers.flatMap(partsOf), ([, { shape }]) => sizeOf(shape)));
  return { dtype, threads, bytes: sum(bytes, (each) => each), held: 2 * 2 * largest(bytes, 0) };
}

/** The shape of a chain of at most one bilinear block under a law. */
export const shapeUnder = (model: Outline, law: LawOfInputs): ChainShape =>
  chainShape(model.layers, columnsOf([model], law), isOnehot(law) || law.mean !== undefined);

/**
 * A pair of networks like this by the closure or, which takes about as much, the tensor (MATH.md sections 6 and 7):
 * covariances of what the rows of a layer look at, then of what it gives, and the mean Jacobians of blocks; of every
 * position with every one. What attention does within heads is left out.
 */
function closureFlops(layers: readonly LayerOf<ShapeOnly>[], positions: number): number {
  return sum(layers, (layer) => {
    const { takes, gives } = kindOf(layer).widths(layer);
    const matrices = partsOf(layer).flatMap(([, { shape }]) => (shape.length === 2 ? [shape] : []));
    const rows = sum(matrices, ([height, width]) => (width === takes ? height : 0));
    const projections = 2 * rows * takes ** 2 + 2 * rows ** 2 * takes;
    if (!isBlock(layer)) return 2 * gives * takes * Math.min(gives, takes) * positions;
    const behind = sum(matrices, ([height, width]) => (width === takes ? 0 : 2 * height * width * (width + height)));
    return positions ** 2 * (projections + behind + 4 * takes ** 3);
  });
}

/** A pair of networks of two blocks: products of all forms of the second, in what the first looks at (section 5). */
function twoBlockFlops(layers: readonly LayerOf<ShapeOnly>[]): number {
  const first = layers.findIndex(isBlock);
  const looks = smallest(layers.slice(0, first + 1).map((layer) => kindOf(layer).widths(layer).takes));
  const second = layers.slice(first + 1).find(isBlock);
  return second === undefined ? 0 : 4 * hiddenOf(second) ** 2 * looks ** 3;
}
