import { contract } from '../contraction/running/contract.js';
import { TensimError } from '../errors.js';
import { createModel } from '../model/create.js';
import type { Model } from '../model/model.js';
import { similarity } from '../similarity/similarity.js';
import type { SimilarityOptions, SimilarityResult } from '../similarity/terms/types.js';
import { assignHeads } from './align/assignment.js';
import { type HeadProducts, headProducts } from './circuits/heads.js';
import type { LayerBlocks } from './network.js';
import type { BlockFile } from './open.js';
import { type Circuits, readCircuits } from './parts/circuits.js';
import { mlpLayer } from './parts/mlp.js';
import { readGain } from './parts/reader.js';

/** How blocks are compared. */
export interface BlockOptions extends Pick<SimilarityOptions, 'backend' | 'threads' | 'signal'> {
  /** What is taken out before: `none`, or the order of the heads. Default: `heads`. */
  readonly align?: 'none' | 'heads' | undefined;
  /** Offsets between a query and a key, from 0 on; default 64. */
  readonly window?: number | undefined;
}

/** One head of the first model, and the head of the second that answers it. */
export interface HeadComparison {
  readonly head: number;
  readonly answeredBy: number;
  /** Cosine of the scores, mean over the window of offsets. */
  readonly qk: number;
  /** Cosine of W_O W_V. */
  readonly ov: number;
}

export interface LayerComparison {
  readonly layer: number;
  readonly mlp?: SimilarityResult;
  readonly attention?: {
    readonly heads: readonly HeadComparison[];
    /** Cosine of the sums of W_O W_V over all heads, with what the means of the values and biases add. */
    readonly ov: number;
  };
}

/**
 * Compares two transformers of one width layer by layer, the first's with the second's of the same number.
 * @throws TensimError (rejects) `SHAPE_MISMATCH` for networks of different widths or layers
 */
export async function* compareLayers(
  f: BlockFile,
  g: BlockFile,
  options: BlockOptions = {},
): AsyncGenerator<LayerComparison> {
  const [one, other] = [f.network, g.network];
  if (one.width !== other.width) throw unequal(f, g, `a residual stream of ${one.width}`, `${other.width}`);
  if (one.layers.length !== other.layers.length)
    throw unequal(f, g, `${one.layers.length} layers`, `${other.layers.length}`);
  for (const [at, layer] of one.layers.entries()) {
    options.signal?.throwIfAborted();
    const answer = other.layers[at];
    const compared = {
      mlp: await mlps(f, layer, g, answer, options),
      attention: await attentions(f, layer, g, answer, options),
    };
    yield {
      layer: layer.number,
      ...(compared.mlp && { mlp: compared.mlp }),
      ...(compared.attention && { attention: compared.attention }),
    };
  }
}

function unequal(f: BlockFile, g: BlockFile, one: string, other: string): TensimError {
  return new TensimError('SHAPE_MISMATCH', `has ${one}, and "${g.path}" ${other}`, { file: f.path });
}

async function mlps(f: BlockFile, one: LayerBlocks, g: BlockFile, other: LayerBlocks, options: BlockOptions) {
  if (one.mlp === undefined || other.mlp === undefined) return undefined;
  const { backend, threads, signal } = options;
  const [a, b] = [await mlpModel(f, one), await mlpModel(g, other)];
  return similarity(a, b, { degrees: true, backend, threads, signal });
}

async function mlpModel(
  { network: { width }, read, path }: BlockFile,
  { mlp, mlpNorm, number }: LayerBlocks,
): Promise<Model> {
  const layer = await mlpLayer(mlp!, await readGain(mlpNorm, read), width, read);
  return createModel({ layers: [layer], label: `${path} (MLP ${number})` });
}

async function attentions(f: BlockFile, one: LayerBlocks, g: BlockFile, other: LayerBlocks, options: BlockOptions) {
  if (one.attention === undefined || other.attention === undefined) return undefined;
  const { width: d } = f.network;
  const [a, b] = [await circuits(f, one), await circuits(g, other)];
  const { backend, threads, signal, window = 64, align = 'heads' } = options;
  const multiply = async (left: Float64Array, right: Float64Array, inner: number) => {
    const operands = [left, right].map((data) => ({ data, shape: [data.length / inner, inner] }));
    return (await contract('ik,jk->ij', operands, { backend, threads, signal, dtype: 'float64' })).data as Float64Array;
  };
  const products = (x: Circuits, y: Circuits) => headProducts(x, y, d, window, multiply);
  const [own, mixed, others] = [await products(a, a), await products(a, b), await products(b, b)];
  const [qk, ov] = [cosines(own, mixed, others, 'scores'), cosines(own, mixed, others, 'values')];
  const alike = qk.map((value, at) => (value + ov[at]) / 2);
  const answers =
    a.heads === b.heads && a.groups === b.groups && align === 'heads'
      ? assignHeads(alike, a.heads, a.groups)
      : undefined;
  const heads = Array.from({ length: Math.min(a.heads, b.heads) }, (_, head) => {
    const answeredBy = answers?.[head] ?? head;
    const at = head * b.heads + answeredBy;
    return { head, answeredBy, qk: qk[at], ov: ov[at] };
  });
  const whole = ({ sum, constants }: HeadProducts) => sum + constants;
  return { heads, ov: whole(mixed) / Math.sqrt(whole(own)) / Math.sqrt(whole(others)) };
}

async function circuits(
  { network: { width }, read }: BlockFile,
  { attention, attentionNorm }: LayerBlocks,
): Promise<Circuits> {
  return readCircuits(attention!, await readGain(attentionNorm, read), width, read);
}

/** Cosines of all heads of one layer with all of another, (heads, heads'); 0 beside a head that does nothing. */
function cosines(own: HeadProducts, mixed: HeadProducts, others: HeadProducts, of: 'scores' | 'values'): Float64Array {
  const [rows, columns] = [Math.sqrt(own[of].length), Math.sqrt(others[of].length)];
  return mixed[of].map((value, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    const norms = Math.sqrt(own[of][i * rows + i]) * Math.sqrt(others[of][j * columns + j]);
    return norms === 0 ? 0 : value / norms;
  });
}
