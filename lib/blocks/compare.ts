import { contract } from '../contraction/running/contract.js';
import { Pacer } from '../cooperate.js';
import type { LayerBlocks } from '../model/transformers/network.js';
import { cosine } from '../similarity/gram/derived.js';
import { assignHeads } from './align/assignment.js';
import { type HeadProducts, headProducts, ownProducts, type RowProducts } from './circuits/heads.js';
import { contentOf } from './content.js';
import type { MlpMethod } from './mlps/choose.js';
import { compareMlpPair, type MlpSettings } from './mlps/compare.js';
import { mlpSource } from './mlps/source.js';
import type { BlockFile } from './open.js';
import { type Circuits, readCircuits } from './parts/circuits.js';
import { readGain } from './parts/reader.js';
import type { AttentionComparison, BlockSimilarity, LayerComparison, MlpComparison } from './terms.js';
import { compareWeights } from './weights.js';
import { SAME } from './worst.js';

/** The options of one comparison, with their defaults. */
export interface BlockSettled extends Omit<MlpSettings, 'input'> {
  readonly align: 'none' | 'heads';
  readonly window: number;
  /** How MLPs are compared, by the layer of the first network. */
  readonly methodOf: (layer: LayerBlocks) => MlpMethod;
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
  return {
    layer: one.number,
    ...(mlp && { mlp }),
    ...(attention && { attention }),
    weights: await compareWeights(f, one, g, other, new Pacer(options.signal)),
  };
}

async function compareMlps(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  settled: BlockSettled,
): Promise<MlpComparison | undefined> {
  if (one.mlp === undefined || other.mlp === undefined) return undefined;
  const pair = [await mlpSource(f, one), await mlpSource(g, other)] as const;
  const method = settled.methodOf(one);
  // As wholes, equal ones are told from their numbers.
  if (method !== 'whole' && (await mlpContent(f, one)) === (await mlpContent(g, other))) return ONE_FUNCTION;
  return compareMlpPair(pair, method, { ...settled, input: 'standard' });
}

/** A digest of all that the MLP of a layer is. */
export const mlpContent = (file: BlockFile, { mlp, mlpNorm }: LayerBlocks): Promise<string> =>
  contentOf(file, { mlp, mlpNorm });

/** Of MLPs that hold the same numbers. */
export const ONE_FUNCTION: MlpComparison = { similarity: 1, fidelityError: 0, exact: true, standardError: null };

async function compareAttention(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  settled: BlockSettled,
): Promise<AttentionComparison | undefined> {
  if (one.attention === undefined || other.attention === undefined) return undefined;
  return compareSides(await attentionSide(f, one, settled), await attentionSide(g, other, settled), settled);
}

/** The attention of a layer, and what it has with itself. */
export interface AttentionSide {
  readonly d: number;
  readonly circuits: Circuits;
  readonly own: HeadProducts;
  readonly isNormalised: boolean;
}

type HeadOptions = Pick<BlockSettled, 'backend' | 'threads' | 'signal' | 'window' | 'align'>;

/** Of a layer that has attention. */
export async function attentionSide(file: BlockFile, layer: LayerBlocks, options: HeadOptions): Promise<AttentionSide> {
  const { width: d } = file.network;
  const circuits = await circuitsOf(file, layer);
  const own = await ownProducts(circuits, d, options.window, multiplier(options));
  return { d, circuits, own, isNormalised: layer.attention!.normalised === true };
}

export async function compareSides(
  one: AttentionSide,
  other: AttentionSide,
  options: HeadOptions,
): Promise<AttentionComparison> {
  const [a, b] = [one.circuits, other.circuits];
  const mixed = await headProducts(a, b, one.d, options.window, multiplier(options));
  const [qk, ov] = [cosines(one.own, mixed, other.own, 'scores'), cosines(one.own, mixed, other.own, 'values')];
  const comparable = a.heads === b.heads && a.groups === b.groups;
  const answers = options.align === 'heads' && comparable ? assignHeads(alike(qk, ov), a.heads, a.groups) : undefined;
  const heads = Array.from({ length: Math.min(a.heads, b.heads) }, (_, head) => {
    const answeredBy = answers?.[head] ?? head;
    const at = head * b.heads + answeredBy;
    return { head, answeredBy, qk: known(qk[at]), ov: known(ov[at]) };
  });
  const isNormalised = one.isNormalised || other.isNormalised;
  const sums = compareSums(one.own, mixed, other.own);
  return { heads, ov: sums, ...(isNormalised && { normalised: true as const }) };
}

export const multiplier =
  ({ backend, threads, signal }: HeadOptions): RowProducts =>
  async (left, right, inner) => {
    const operands = [left, right].map((data) => ({ data, shape: [data.length / inner, inner] }));
    return (await contract('ik,jk->ij', operands, { backend, threads, signal, dtype: 'float64' })).data as Float64Array;
  };

async function circuitsOf({ network: { width }, read, done }: BlockFile, layer: LayerBlocks): Promise<Circuits> {
  return readCircuits(layer.attention!, await readGain(layer.attentionNorm, read), width, read, done);
}

const known = (value: number): number | null => (Number.isNaN(value) ? null : value);

/** How alike heads are, for their assignment: what is zero is like nothing. */
function alike(qk: Float64Array, ov: Float64Array): Float64Array {
  return qk.map((value, at) => ((known(value) ?? 0) + (known(ov[at]) ?? 0)) / 2);
}

/** Cosines of all heads of one layer with all of another, (heads, heads'); NaN beside a head that does nothing. */
function cosines(own: HeadProducts, mixed: HeadProducts, others: HeadProducts, of: 'scores' | 'values'): Float64Array {
  const columns = others[of].length;
  return mixed[of].map((value, at) => cosine(value, own[of][Math.floor(at / columns)], others[of][at % columns]));
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
