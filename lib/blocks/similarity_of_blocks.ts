import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { selectBackend } from '../machines/select.js';
import { type BlockSettled, compareLayer } from './compare.js';
import { compareEnds } from './norms.js';
import { type BlockFile, withBlocks } from './open.js';
import type { BlockOptions, BlockSubject, BlocksResult, LayerComparison } from './terms.js';
import { comparePieces } from './weights.js';
import { worstOf } from './worst.js';

/** Offsets between queries and keys, where nothing else is asked for. */
const WINDOW = 64;
const MOST_WINDOW = 1 << 20;

/**
 * Where two transformers differ, block by block, from their weights alone: MLPs as functions of a normalised input,
 * attention by its circuits (QK: which scores positions give each other; OV: what a head writes of what it reads),
 * softmax left out (MATH.md sections 10 to 13). Each network's gains are folded into its own weights; both write the
 * residual stream in the same basis. One layer is in memory at a time.
 *
 *     const { layers, worst } = await similarityOfBlocks('base.safetensors', 'tuned.safetensors');
 *
 * @param a path, folder or `hf://` address of a transformer whose layout is known; its config.json is read beside it
 * @throws TensimError (rejects) as `loadModel`; `UNSUPPORTED_LAYER` for a network of no known layout; `INVALID_FILE`
 * where tensors are missing, or nobody says how many heads there are; `SHAPE_MISMATCH` for networks of other widths or
 * numbers of layers; `INVALID_ARGUMENT`; the signal's reason if it is aborted
 */
export function similarityOfBlocks(a: string, b: string, options: BlockOptions = {}): Promise<BlocksResult> {
  const { align = 'heads', window = WINDOW, backend, threads, signal } = options;
  if (align !== 'none' && align !== 'heads')
    throw new TensimError('INVALID_ARGUMENT', `align must be "none" or "heads", not ${JSON.stringify(align)}`);
  if (!Number.isSafeInteger(window) || window < 1 || window > MOST_WINDOW)
    throw new TensimError('INVALID_ARGUMENT', `window must be a whole number from 1 to ${MOST_WINDOW}`);
  const settled: BlockSettled = { align, window, backend, threads, signal };
  return withBlocks(a, options, (f) => withBlocks(b, options, (g) => compare(f, g, settled, options)));
}

async function compare(
  f: BlockFile,
  g: BlockFile,
  settled: BlockSettled,
  { onProgress }: BlockOptions,
): Promise<BlocksResult> {
  const [one, other] = [f.network, g.network];
  if (one.width !== other.width) throw unequal(f, g, `a residual stream of ${one.width}`, `of ${other.width}`);
  if (one.layers.length !== other.layers.length)
    throw unequal(f, g, `${one.layers.length} layers`, `has ${other.layers.length}`);
  const { align: alignment, window, backend, signal } = settled;
  const { name } = await selectBackend(backend, { contractions: { dtype: 'float64' } }, signal);
  const layers: LayerComparison[] = [];
  for (const [at, layer] of one.layers.entries()) {
    onProgress?.({ phase: 'compare', done: at, total: one.layers.length });
    signal?.throwIfAborted();
    layers.push(await compareLayer(f, layer, g, other.layers[at], settled));
    for (const file of [f, g]) file.letGo();
  }
  const pacer = new Pacer(signal);
  const embedding = await comparePieces(f, one.embedding, g, other.embedding, pacer);
  const unembedding = await comparePieces(f, one.unembedding, g, other.unembedding, pacer);
  const unembeddingBias = await comparePieces(f, one.unembeddingBias, g, other.unembeddingBias, pacer);
  const positions = await comparePieces(f, one.positions, g, other.positions, pacer);
  const norms = await compareEnds(f, g, pacer);
  return {
    kind: 'blocks',
    a: await subjectOf(f, signal),
    b: await subjectOf(g, signal),
    width: one.width,
    ...{ input: 'standard', window, alignment, layers },
    ...(embedding && { embedding }),
    ...(unembedding && { unembedding }),
    ...(unembeddingBias && { unembeddingBias }),
    ...(positions && { positions }),
    ...(norms.length > 0 && { norms }),
    worst: worstOf(layers),
    backend: name,
  };
}

async function subjectOf(
  { path, checkpoint, network, settings }: BlockFile,
  signal?: AbortSignal,
): Promise<BlockSubject> {
  const sha256 = await checkpoint.sha256(signal);
  const left = [...network.others, ...network.layers.flatMap(({ others }) => others)];
  return { path, sha256, layout: network.layout, left, settings: Object.fromEntries(settings.told) };
}

function unequal(f: BlockFile, g: BlockFile, one: string, other: string): TensimError {
  return new TensimError('SHAPE_MISMATCH', `has ${one}, and "${g.path}" ${other}`, {
    file: f.path,
    hint: 'Blocks are compared between networks of one shape',
  });
}
