import { largest } from '../extremes.js';
import { processors } from '../processors.js';
import { plainly } from '../similarity/terms/plain.js';
import { headFlops } from './circuits/flops.js';
import { withAll } from './matrix.js';
import { exactFlops, type MlpMethod, sampleFlops, sizeOfMlp } from './mlps/choose.js';
import type { BlockFile } from './open.js';
import { type BlockRates, blockRates } from './probe.js';
import { methodsFor, settleBlocks, shapesOf } from './settings.js';
import type { BlockOptions } from './terms.js';
import { checkShape } from './walk.js';

/** What comparing the blocks of transformers is expected to take on this machine. */
export interface BlocksPlan {
  /** Tells this result from others. */
  readonly kind: 'blocks-plan';
  /** As they were given, with what their headers tell. */
  readonly networks: readonly {
    /** As it was given. */
    readonly path: string;
    /** `llama`, `gguf`, … */
    readonly layout: string;
    /** How many. */
    readonly layers: number;
    /** Weights in all. */
    readonly parameters: number;
    /** Of its weights as they are stored. */
    readonly bytes: number;
  }[];
  /** How the MLPs of layers are compared, and of how many: `whole` and `parts` are exact. */
  readonly mlps: Readonly<Partial<Record<MlpMethod, number>>>;
  /** Floating-point operations: of MLPs, of products of heads, and multiply-adds on the numbers of weights. */
  readonly flops: {
    /** Of MLPs. */
    readonly mlps: number;
    /** Of products of heads. */
    readonly attention: number;
    /** On the numbers of weights. */
    readonly weights: number;
  };
  /** Bytes that are read, each once. */
  readonly bytes: number;
  /** Memory that all may take: three times the largest block as it is stored, and 300 MB. */
  readonly memory: number;
  /** Seconds by the rates that were measured here, of each part and of all. */
  readonly seconds: {
    /** Of MLPs. */
    readonly mlps: number;
    /** Of products of heads. */
    readonly attention: number;
    /** Of comparing the numbers of weights. */
    readonly weights: number;
    /** Of reading the files. */
    readonly reading: number;
    /** Of all of these. */
    readonly total: number;
  };
  /** Threads that would be used. */
  readonly threads: number;
}

const OVERHEAD = 300e6;
const BLOCKS = 3;

/**
 * What `similarityOfBlocks`, or of more than two `blockMatrix`, would do with these networks, and for how long, from the
 * headers of their files: no weight is read. Rates are measured on blocks of the same width, for a second or two.
 *
 *     const { seconds } = await planBlocks(['base/', 'tuned/']);
 *
 * @throws TensimError (rejects) as `similarityOfBlocks`
 */
export function planBlocks(paths: readonly string[], options: BlockOptions = {}): Promise<BlocksPlan> {
  return withAll(paths, options, (files) => planOf(files, options));
}

async function planOf(files: readonly BlockFile[], options: BlockOptions): Promise<BlocksPlan> {
  const given = settleBlocks(options);
  for (const file of files.slice(1)) checkShape(files[0], file);
  const { layers, width } = files[0].network;
  const methods = await methodsFor(files, given);
  const shapes = shapesOf(files);
  const counted = new Map<MlpMethod, number>();
  const work = { exact: 0, sampled: 0, attention: 0 };
  for (const [at, layer] of layers.entries()) {
    const attention = files.map(({ network }) => network.layers[at].attention);
    if (attention.every((one) => one !== undefined)) work.attention += headFlops(attention, width);
    const method = methods.get(layer.number)!;
    if (shapes[at].length === 0) continue;
    counted.set(method, (counted.get(method) ?? 0) + 1);
    if (method === 'sampled') work.sampled += sampleFlops(shapes[at]);
    else work.exact += exactFlops(shapes[at]);
  }
  const networks = files.map(sizesOf);
  const bytes = networks.reduce((sum, one) => sum + one.bytes, 0);
  const parameters = networks.reduce((sum, one) => sum + one.parameters, 0);
  const first = shapes.find((own) => own.length > 0)?.[0];
  const rates = await blockRates({ width, gated: first?.gated ?? true, needs: work }, given);
  const seconds = secondsOf(work, { parameters, bytes }, rates);
  return plainly<BlocksPlan>({
    kind: 'blocks-plan',
    networks,
    mlps: Object.fromEntries(counted),
    flops: { mlps: work.exact + work.sampled, attention: work.attention, weights: parameters },
    bytes,
    memory: BLOCKS * largestBlock(files[0]) + OVERHEAD,
    seconds,
    threads: given.threads ?? processors(),
  });
}

function secondsOf(
  work: { readonly exact: number; readonly sampled: number; readonly attention: number },
  { parameters, bytes }: { readonly parameters: number; readonly bytes: number },
  rates: BlockRates,
): BlocksPlan['seconds'] {
  const parts = {
    mlps: part(work.exact, rates.exact) + part(work.sampled, rates.sampled),
    attention: part(work.attention, rates.attention),
    weights: parameters / rates.weights,
    reading: bytes / rates.reading,
  };
  return { ...parts, total: parts.mlps + parts.attention + parts.weights + parts.reading };
}

const part = (flops: number, rate: number): number => (flops === 0 ? 0 : flops / rate);

function sizesOf({ path, network, checkpoint }: BlockFile): BlocksPlan['networks'][number] {
  let [parameters, bytes] = [0, 0];
  for (const tensor of checkpoint.tensors.values()) {
    parameters += tensor.shape.reduce((size, extent) => size * extent, 1);
    bytes += tensor.bytes;
  }
  return { path, layout: network.layout, layers: network.layers.length, parameters, bytes };
}

/** Bytes of the largest MLP, or attention, of a layer, as they are stored. */
function largestBlock(file: BlockFile): number {
  const [shapes, { width, layers }] = [shapesOf([file]), file.network];
  return largest(
    layers.flatMap(({ mlp, attention }, at) => {
      const own = mlp === undefined ? 0 : sizeOfMlp(shapes[at][0]) * file.extent(mlp.up)[2];
      const heads = attention === undefined ? 0 : 2 * (attention.heads + attention.groups) * attention.width * width;
      return [own, attention === undefined ? 0 : heads * file.extent(attention.query)[2]];
    }),
    0,
  );
}
