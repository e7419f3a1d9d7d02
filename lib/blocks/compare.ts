import { Pacer } from '../cooperate.js';
import type { LayerBlocks, Uncompared } from '../model/transformers/network.js';
import { cosine } from '../similarity/gram/derived.js';
import { assignHeads } from './align/assignment.js';
import { addAttention } from './align/ordered.js';
import { circuitsInView, mlpInView, type StreamView } from './align/stream.js';
import { matchUnits } from './align/units.js';
import { type HeadProducts, headProducts, ownProducts } from './circuits/heads.js';
import { compareExperts } from './experts.js';
import { circuitsUnder } from './law/circuits.js';
import type { BlockLaws } from './law/laws.js';
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

async function compareMlps(
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
  const sourceOf = (file: BlockFile, layer: LayerBlocks, view: StreamView | undefined): Promise<MlpSource> =>
    mlpSource(file, layer, view && ((definition) => mlpInView(definition, width, view, products)));
  const pair = [await sourceOf(f, one, views?.[0]), await sourceOf(g, other, views?.[1])] as const;
  const definitions = async () => [await pair[0].definition(), await pair[1].definition()] as const;
  const matching = matched && (await matchUnits(...(await definitions()), width, products, signal));
  await matching?.addTo(matched!, new Pacer(signal));
  const found = await compareUnder(law, pair, settled.methodOf(one), products.rows, settled);
  return { ...found, ...(matching && { units: matching.comparison }) };
}

async function compareAttention(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  settled: BlockSettled,
  matched?: WeightTally,
): Promise<AttentionComparison | undefined> {
  if (one.attention === undefined || other.attention === undefined) return undefined;
  const { window, align, laws, views, signal } = settled;
  const { width: d } = f.network;
  const products = productsBy(settled);
  const law = await laws.of(one.number, 'attn');
  const under = (circuits: Circuits, { attentionNorm }: LayerBlocks) =>
    circuitsUnder(circuits, law, attentionNorm?.kind === 'layer', products.rows);
  const first = await circuitsOf(f, one, views?.[0], products);
  const second = await circuitsOf(g, other, views?.[1], products);
  const [a, b] = [await under(first, one), await under(second, other)];
  const ownOf = (circuits: Circuits) => ownProducts(circuits, d, window, products.rows);
  const [own, mixed, others] = [await ownOf(a), await headProducts(a, b, d, window, products.rows), await ownOf(b)];
  const [qk, ov] = [cosines(own, mixed, others, 'scores'), cosines(own, mixed, others, 'values')];
  // Heads whose scores get slopes by their numbers are no others when they are exchanged.
  const isFree = one.attention.slopes === undefined && other.attention.slopes === undefined;
  const comparable = isFree && a.heads === b.heads && a.groups === b.groups;
  const answers = align !== 'none' && comparable ? assignHeads(alike(qk, ov), a.heads, a.groups) : undefined;
  if (matched !== undefined && answers !== undefined)
    await addAttention(first, second, answers, matched, new Pacer(signal));
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
    ...lawFields(law),
  };
}

async function circuitsOf(
  { network: { width }, read }: BlockFile,
  { attention, attentionNorm }: LayerBlocks,
  view: StreamView | undefined,
  products: Products,
): Promise<Circuits> {
  const circuits = await readCircuits(attention!, await readGain(attentionNorm, read), width, read);
  return view === undefined ? circuits : circuitsInView(circuits, width, view, products);
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
