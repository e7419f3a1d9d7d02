import { Pacer } from '../cooperate.js';
import type { LayerBlocks, Uncompared } from '../model/transformers/network.js';
import { cosine } from '../similarity/gram/derived.js';
import { assignHeads } from './align/assignment.js';
import { addAttention } from './align/ordered.js';
import { circuitsInView, mlpInView, type StreamView } from './align/stream.js';
import { matchUnits } from './align/units.js';
import { dot, type HeadProducts, headProducts, type OwnProducts, ownProducts } from './circuits/heads.js';
import { contentOf } from './content.js';
import { compareExperts } from './experts.js';
import { circuitsUnder } from './law/circuits.js';
import type { BlockLaw, BlockLaws } from './law/laws.js';
import { compareUnder, lawFields } from './law/mlps.js';
import type { MlpMethod } from './mlps/choose.js';
import type { MlpSettings } from './mlps/compare.js';
import { type MlpSource, mlpSource } from './mlps/source.js';
import { compareNorms } from './norms.js';
import type { BlockFile } from './open.js';
import { type Circuits, readCircuits } from './parts/circuits.js';
import { readGain } from './parts/reader.js';
import { type Products, productsBy } from './products.js';
import type { Alignment, AttentionComparison, BlockSimilarity, LayerComparison, MlpComparison } from './terms.js';
import { compareWeights, WeightTally } from './weights.js';
import { SAME } from './worst.js';

/** The options of one comparison, with their defaults. */
export interface BlockSettled extends Omit<MlpSettings, 'law'> {
  readonly align: Alignment;
  readonly window: number;
  /** How MLPs are compared, by the layer of the first network. */
  readonly methodOf: (layer: LayerBlocks) => MlpMethod;
  readonly laws: BlockLaws;
  /** What is done to the residual streams of the two, where the second's was rotated into the first's. */
  readonly views?: readonly [StreamView, StreamView];
}

/** Whether hidden units are matched. */
const matchesUnits = ({ align }: BlockSettled): boolean => align === 'units' || align === 'rotation';

/** Compares a layer of one network with a layer of another, of the same width of the stream. */
export async function compareLayer(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  options: BlockSettled,
): Promise<LayerComparison> {
  const [tally, pacer] = [new WeightTally(), new Pacer(options.signal)];
  const matched = matchesUnits(options) ? tally : undefined;
  const mlp = await compareMlps(f, one, g, other, options, matched);
  const attention = await compareAttention(f, one, g, other, options, matched);
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
    weights: matched?.result ?? (await compareWeights(f, one, g, other, pacer, tally)),
  };
}

function distinct(all: readonly Uncompared[]): readonly Uncompared[] {
  return [...new Map(all.map((one) => [`${one.part} ${one.reason}`, one])).values()];
}

/** Compares the MLPs of two layers behind their norms as functions; nothing where one of them has none. */
export async function compareMlps(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  settled: BlockSettled,
  matched?: WeightTally,
): Promise<MlpComparison | undefined> {
  if (one.mlp === undefined || other.mlp === undefined) return undefined;
  const { views, signal } = settled;
  const { width } = f.network;
  const products = productsBy(settled);
  const law = await settled.laws.of(one.number, 'mlp');
  const method = settled.methodOf(one);
  const pair = [
    await sourceInView(f, one, views?.[0], products, signal),
    await sourceInView(g, other, views?.[1], products, signal),
  ] as const;
  const definitions = async () => [await pair[0].definition(), await pair[1].definition()] as const;
  const matching = matched && (await matchUnits(...(await definitions()), width, products, signal));
  await matching?.addTo(matched!);
  // As wholes, equal ones are told from their numbers. Experts are kept one at a time.
  const isTold = method !== 'whole' && views === undefined && one.experts === undefined;
  const areOne = isTold && (await mlpContent(f, one)) === (await mlpContent(g, other));
  const found = areOne
    ? { ...ONE_FUNCTION, ...lawFields(law) }
    : await compareUnder(law, pair, method, products.rows, settled);
  return { ...found, ...(matching && { units: matching.comparison }) };
}

/** The MLP of a layer that has one, as it reads and writes the stream in a view. */
export const sourceInView = (
  file: BlockFile,
  layer: LayerBlocks,
  view: StreamView | undefined,
  products: Products,
  signal: AbortSignal | undefined,
): Promise<MlpSource> =>
  mlpSource(
    file,
    layer,
    view && ((definition) => mlpInView(definition, file.network.width, view, products, new Pacer(signal))),
  );

/** A digest of all that the MLP of a layer is. */
export const mlpContent = (file: BlockFile, { mlp, mlpNorm }: LayerBlocks): Promise<string> =>
  contentOf(file, { mlp, mlpNorm });

/** Of MLPs that hold the same numbers. */
export const ONE_FUNCTION = { similarity: 1, fidelityError: 0, exact: true, standardError: null } as const;

async function compareAttention(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  settled: BlockSettled,
  matched?: WeightTally,
): Promise<AttentionComparison | undefined> {
  if (one.attention === undefined || other.attention === undefined) return undefined;
  const { views, signal } = settled;
  const law = await settled.laws.of(one.number, 'attn');
  const first = await attentionSide(f, one, law, settled, views?.[0]);
  const second = await attentionSide(g, other, law, settled, views?.[1]);
  const { answers, ...found } = await compareSides(first, second, settled);
  if (matched !== undefined && answers !== undefined)
    await addAttention(first.stored, second.stored, answers, matched, new Pacer(signal));
  return { ...found, ...lawFields(law) };
}

/** The attention of a layer, and what it has with itself. */
export interface AttentionSide {
  readonly d: number;
  /** In its view. */
  readonly stored: Circuits;
  /** The same under the law. */
  readonly circuits: Circuits;
  readonly own: OwnProducts;
  readonly isNormalised: boolean;
  /** Whether heads are no others when they are exchanged: not where scores get slopes by their numbers. */
  readonly isFree: boolean;
}

type HeadOptions = Pick<BlockSettled, 'backend' | 'threads' | 'signal' | 'window' | 'align'>;

/** Of a layer that has attention. */
export async function attentionSide(
  { network: { width: d }, read, done }: BlockFile,
  { attention, attentionNorm }: LayerBlocks,
  law: BlockLaw,
  options: HeadOptions,
  view?: StreamView,
): Promise<AttentionSide> {
  const products = productsBy(options);
  const plain = await readCircuits(attention!, await readGain(attentionNorm, read), d, read, done);
  const stored = view === undefined ? plain : await circuitsInView(plain, d, view, products, new Pacer(options.signal));
  const circuits = await circuitsUnder(stored, law, attentionNorm?.kind === 'layer', products.rows);
  const own = await ownProducts(circuits, d, options.window, products.rows);
  const { normalised, slopes } = attention!;
  return { d, stored, circuits, own, isNormalised: normalised === true, isFree: slopes === undefined };
}

/** Compares two sides, with the head of the second that answers each of the first where heads are aligned. */
export async function compareSides(
  one: AttentionSide,
  other: AttentionSide,
  options: HeadOptions,
): Promise<Omit<AttentionComparison, 'input' | 'extent'> & { readonly answers?: Int32Array }> {
  const [a, b] = [one.circuits, other.circuits];
  const mixed = await headProducts(a, b, one.d, options.window, productsBy(options).rows);
  const [qk, ov] = [cosines(one.own, mixed, other.own, 'scores'), cosines(one.own, mixed, other.own, 'values')];
  const isFree = one.isFree && other.isFree;
  const comparable = isFree && a.heads === b.heads && a.groups === b.groups;
  const answers = options.align !== 'none' && comparable ? assignHeads(alike(qk, ov), a.heads, a.groups) : undefined;
  const heads = Array.from({ length: Math.min(a.heads, b.heads) }, (_, head) => {
    const answeredBy = answers?.[head] ?? head;
    const at = head * b.heads + answeredBy;
    return { head, answeredBy, qk: known(qk[at]), ov: known(ov[at]) };
  });
  return {
    heads,
    ov: compareSums(one.own, mixed, other.own),
    ...((one.isNormalised || other.isNormalised) && { normalised: true as const }),
    ...(!isFree && { slopes: true as const }),
    ...(answers && { answers }),
  };
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
function compareSums(own: OwnProducts, mixed: HeadProducts, others: OwnProducts): BlockSimilarity | null {
  const [ff, gg] = [own, others].map(({ sum, constant }) => sum + dot(constant, constant));
  const fg = mixed.sum + dot(own.constant, others.constant);
  if (!(ff > 0 && gg > 0)) return null;
  const fidelityError = (ff - 2 * fg + gg) / ff;
  return {
    similarity: cosine(fg, ff, gg),
    fidelityError: Math.abs(fidelityError) < SAME ? 0 : fidelityError,
  };
}
