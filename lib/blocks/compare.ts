import { Pacer } from '../cooperate.js';
import { createModel, type LayerDefinition } from '../model/create.js';
import type { LayerBlocks } from '../model/transformers/network.js';
import { cosine } from '../similarity/gram/derived.js';
import { similarity } from '../similarity/similarity.js';
import { assignHeads } from './align/assignment.js';
import { addAttention } from './align/ordered.js';
import { circuitsInView, mlpInView, type StreamView } from './align/stream.js';
import { matchUnits } from './align/units.js';
import { type HeadProducts, headProducts } from './circuits/heads.js';
import type { BlockFile } from './open.js';
import { type Circuits, readCircuits } from './parts/circuits.js';
import { mlpLayer } from './parts/mlp.js';
import { readGain } from './parts/reader.js';
import { type Products, productsBy } from './products.js';
import type {
  Alignment,
  AttentionComparison,
  BlockOptions,
  BlockSimilarity,
  LayerComparison,
  MlpComparison,
} from './terms.js';
import { compareWeights, WeightTally } from './weights.js';
import { SAME } from './worst.js';

/** The options of one comparison, with their defaults. */
export interface BlockSettled extends Pick<BlockOptions, 'backend' | 'threads' | 'signal'> {
  readonly align: Alignment;
  readonly window: number;
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
  const tally = matchesUnits(options) ? new WeightTally() : undefined;
  const products = productsBy(options);
  const mlp = await compareMlps(f, one, g, other, options, products, tally);
  const attention = await compareAttention(f, one, g, other, options, products, tally);
  return {
    layer: one.number,
    ...(mlp && { mlp }),
    ...(attention && { attention }),
    weights: tally?.result ?? (await compareWeights(f, one, g, other, new Pacer(options.signal))),
  };
}

async function compareMlps(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  options: BlockSettled,
  products: Products,
  tally: WeightTally | undefined,
): Promise<MlpComparison | undefined> {
  if (one.mlp === undefined || other.mlp === undefined) return undefined;
  const { backend, threads, signal, views } = options;
  const [a, b] = [await mlpOf(f, one, views?.[0], products), await mlpOf(g, other, views?.[1], products)];
  const matching = tally && (await matchUnits(a, b, f.network.width, products, signal));
  await matching?.addTo(tally!, new Pacer(signal));
  const model = (definition: LayerDefinition, { number }: LayerBlocks, { path }: BlockFile) =>
    createModel({ layers: [definition], label: `the MLP of layer ${number} of ${path}` });
  const found = await similarity(model(a, one, f), model(b, other, g), { degrees: true, backend, threads, signal });
  const { similarity: cosine, fidelityError, exact, standardError, certified, degrees } = found;
  return {
    similarity: cosine,
    fidelityError: Math.max(0, fidelityError),
    exact,
    standardError,
    ...(certified !== undefined && { certified }),
    ...(degrees && { byDegree: degrees }),
    ...(matching && { units: matching.comparison }),
  };
}

async function mlpOf(
  { network: { width }, read }: BlockFile,
  { mlp, mlpNorm }: LayerBlocks,
  view: StreamView | undefined,
  products: Products,
): Promise<LayerDefinition> {
  const layer = await mlpLayer(mlp!, await readGain(mlpNorm, read), width, read);
  return view === undefined ? layer : mlpInView(layer, width, view, products);
}

async function compareAttention(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  options: BlockSettled,
  products: Products,
  tally: WeightTally | undefined,
): Promise<AttentionComparison | undefined> {
  if (one.attention === undefined || other.attention === undefined) return undefined;
  const { window, align, views, signal } = options;
  const { width: d } = f.network;
  const [a, b] = [await circuitsOf(f, one, views?.[0], products), await circuitsOf(g, other, views?.[1], products)];
  const inner = (x: Circuits, y: Circuits) => headProducts(x, y, d, window, products.rows);
  const [own, mixed, others] = [await inner(a, a), await inner(a, b), await inner(b, b)];
  const [qk, ov] = [cosines(own, mixed, others, 'scores'), cosines(own, mixed, others, 'values')];
  const comparable = a.heads === b.heads && a.groups === b.groups;
  const answers = align !== 'none' && comparable ? assignHeads(alike(qk, ov), a.heads, a.groups) : undefined;
  if (tally !== undefined && answers !== undefined) await addAttention(a, b, answers, tally, new Pacer(signal));
  const heads = Array.from({ length: Math.min(a.heads, b.heads) }, (_, head) => {
    const answeredBy = answers?.[head] ?? head;
    const at = head * b.heads + answeredBy;
    return { head, answeredBy, qk: known(qk[at]), ov: known(ov[at]) };
  });
  const isNormalised = one.attention.normalised === true || other.attention.normalised === true;
  return { heads, ov: compareSums(own, mixed, others), ...(isNormalised && { normalised: true as const }) };
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
