import { contract } from '../contraction/running/contract.js';
import { Pacer } from '../cooperate.js';
import { createModel } from '../model/create.js';
import type { Model } from '../model/model.js';
import type { LayerBlocks, Uncompared } from '../model/transformers/network.js';
import { cosine } from '../similarity/gram/derived.js';
import { similarity } from '../similarity/similarity.js';
import { assignHeads } from './align/assignment.js';
import { type HeadProducts, headProducts } from './circuits/heads.js';
import { compareExperts } from './experts.js';
import { compareNorms } from './norms.js';
import type { BlockFile } from './open.js';
import { type Circuits, readCircuits } from './parts/circuits.js';
import { mlpLayer } from './parts/mlp.js';
import { readGain } from './parts/reader.js';
import type { AttentionComparison, BlockOptions, BlockSimilarity, LayerComparison, MlpComparison } from './terms.js';
import { compareWeights, WeightTally } from './weights.js';
import { SAME } from './worst.js';

/** The options of one comparison, with their defaults. */
export interface BlockSettled extends Pick<BlockOptions, 'backend' | 'threads' | 'signal'> {
  readonly align: 'none' | 'heads';
  readonly window: number;
}

/** Compares a layer of one network with a layer of another, of the same width of the stream. */
export async function compareLayer(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  options: BlockSettled,
): Promise<LayerComparison> {
  const mlp = await compareMlps(f, one, g, other, options);
  const attention = await compareAttention(f, one, g, other, options);
  const [tally, pacer] = [new WeightTally(), new Pacer(options.signal)];
  const experts = await compareExperts(f, one, g, other, options, compareMlps, tally);
  const norms = await compareNorms(f, one, g, other, pacer);
  const uncompared = [...(one.uncompared ?? []), ...(other.uncompared ?? [])];
  return {
    layer: one.number,
    ...(mlp && { mlp }),
    ...(experts && { experts }),
    ...(attention && { attention }),
    ...(norms.length > 0 && { norms }),
    ...(uncompared.length > 0 && { uncompared: distinct(uncompared) }),
    weights: await compareWeights(f, one, g, other, pacer, tally),
  };
}

function distinct(all: readonly Uncompared[]): readonly Uncompared[] {
  return [...new Map(all.map((one) => [`${one.part} ${one.reason}`, one])).values()];
}

async function compareMlps(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  { backend, threads, signal }: BlockSettled,
): Promise<MlpComparison | undefined> {
  if (one.mlp === undefined || other.mlp === undefined) return undefined;
  const [a, b] = [await mlpOf(f, one), await mlpOf(g, other)];
  const found = await similarity(a, b, { degrees: true, backend, threads, signal });
  const { similarity: cosine, fidelityError, exact, standardError, certified, degrees } = found;
  return {
    similarity: cosine,
    fidelityError: Math.max(0, fidelityError),
    exact,
    standardError,
    ...(certified !== undefined && { certified }),
    ...(degrees && { byDegree: degrees }),
  };
}

async function mlpOf({ network: { width }, read, path }: BlockFile, layer: LayerBlocks): Promise<Model> {
  const { mlp, mlpNorm, number } = layer;
  const definition = await mlpLayer(mlp!, await readGain(mlpNorm, read), width, read);
  return createModel({ layers: [definition], label: `the MLP of layer ${number} of ${path}` });
}

async function compareAttention(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  { backend, threads, signal, window, align }: BlockSettled,
): Promise<AttentionComparison | undefined> {
  if (one.attention === undefined || other.attention === undefined) return undefined;
  const { width: d } = f.network;
  const multiply = async (left: Float64Array, right: Float64Array, inner: number) => {
    const operands = [left, right].map((data) => ({ data, shape: [data.length / inner, inner] }));
    return (await contract('ik,jk->ij', operands, { backend, threads, signal, dtype: 'float64' })).data as Float64Array;
  };
  const [a, b] = [await circuitsOf(f, one), await circuitsOf(g, other)];
  const products = (x: Circuits, y: Circuits) => headProducts(x, y, d, window, multiply);
  const [own, mixed, others] = [await products(a, a), await products(a, b), await products(b, b)];
  const [qk, ov] = [cosines(own, mixed, others, 'scores'), cosines(own, mixed, others, 'values')];
  // Heads whose scores get slopes by their numbers are no others when they are exchanged.
  const isFree = one.attention.slopes === undefined && other.attention.slopes === undefined;
  const comparable = isFree && a.heads === b.heads && a.groups === b.groups;
  const answers = align === 'heads' && comparable ? assignHeads(alike(qk, ov), a.heads, a.groups) : undefined;
  const heads = Array.from({ length: Math.min(a.heads, b.heads) }, (_, head) => {
    const answeredBy = answers?.[head] ?? head;
    const at = head * b.heads + answeredBy;
    return { head, answeredBy, qk: known(qk[at]), ov: known(ov[at]) };
  });
  const isNormalised = one.attention.normalised === true || other.attention.normalised === true;
  return {
    heads,
    ov: compareSums(own, mixed, others),
    ...(isNormalised && { normalised: true as const }),
    ...(!isFree && { slopes: true as const }),
  };
}

async function circuitsOf({ network: { width }, read }: BlockFile, layer: LayerBlocks): Promise<Circuits> {
  return readCircuits(layer.attention!, await readGain(layer.attentionNorm, read), width, read);
}

const known = (value: number): number | null => (Number.isNaN(value) ? null : value);

/** How alike heads are, for their assignment: what is zero is like nothing. */
function alike(qk: Float64Array, ov: Float64Array): Float64Array {
  return qk.map((value, at) => ((known(value) ?? 0) + (known(ov[at]) ?? 0)) / 2);
}

/** Cosines of all heads of one layer with all of another, (heads, heads'); NaN beside a head that does nothing. */
function cosines(own: HeadProducts, mixed: HeadProducts, others: HeadProducts, of: 'scores' | 'values'): Float64Array {
  const [rows, columns] = [Math.sqrt(own[of].length), Math.sqrt(others[of].length)];
  return mixed[of].map((value, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    return cosine(value, own[of][i * rows + i], others[of][j * columns + j]);
  });
}

/** Null where one of the two is zero. */
function compareSums(own: HeadProducts, mixed: HeadProducts, others: HeadProducts): BlockSimilarity | null {
  const [ff, fg, gg] = [own, mixed, others].map(({ sum, constants }) => sum + constants);
  if (!(ff > 0 && gg > 0)) return null;
  const fidelityError = (ff - 2 * fg + gg) / ff;
  return {
    similarity: cosine(fg, ff, gg),
    fidelityError: Math.abs(fidelityError) < SAME ? 0 : fidelityError,
  };
}
