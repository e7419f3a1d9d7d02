import { Pacer } from '../cooperate.js';
import type { Experts, LayerBlocks, Mlp } from '../model/transformers/network.js';
import { cosine } from '../similarity/gram/derived.js';
import { assign } from './align/assignment.js';
import type { StreamView } from './align/stream.js';
import type { BlockSettled } from './compare.js';
import type { BlockFile } from './open.js';
import { behindNorm, readGain } from './parts/reader.js';
import { productsBy } from './products.js';
import type { BlockSimilarity, ExpertComparison, ExpertsComparison, MlpComparison, WeightComparison } from './terms.js';
import { comparePieces, WeightTally } from './weights.js';
import { SAME } from './worst.js';

/** Compares the MLPs of two layers as functions. */
type CompareMlps = (
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  options: BlockSettled,
) => Promise<MlpComparison | undefined>;

/**
 * Compares the experts of two layers one by one, and their routers. Experts answer each other by the router's rows for
 * them: these say when an expert is asked, and go with it where experts are exchanged.
 * @param tally that the weights are added to
 */
export async function compareExperts(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  options: BlockSettled,
  compareMlps: CompareMlps,
  tally: WeightTally,
): Promise<ExpertsComparison | undefined> {
  const [a, b] = [one.experts, other.experts];
  if (a === undefined || b === undefined) return undefined;
  const { views } = options;
  const rows = [
    await readRouter(f, one, a, options, views?.[0]),
    await readRouter(g, other, b, options, views?.[1]),
  ] as const;
  const count = rows[0].length;
  if (count !== rows[1].length || count === 0) return undefined;
  const pacer = new Pacer(options.signal);
  const alike = await cosinesOf(...rows, pacer);
  const free = options.align === 'none' ? undefined : assign(alike.map(known), count, count);
  const answers = Array.from({ length: count }, (_, expert) => free?.[expert] ?? expert);
  const isFunction = ![one, other].some((layer) => layer.uncompared?.some(({ part }) => part === 'experts'));
  const functions = (x: Mlp, y: Mlp) => compareMlps(f, { ...one, mlp: x }, g, { ...other, mlp: y }, options);
  const experts: ExpertComparison[] = [];
  for (const [expert, answeredBy] of answers.entries()) {
    const [own, answer] = [a.experts[expert], b.experts[answeredBy]];
    const both = own !== undefined && answer !== undefined;
    const mlp = both && isFunction ? await functions(own, answer) : undefined;
    const weights = both ? await compareWeightsOf(f, own, g, answer, pacer, tally) : undefined;
    const cosineOfRows = alike[expert * count + answeredBy];
    experts.push({
      ...{ expert, answeredBy, router: Number.isNaN(cosineOfRows) ? null : cosineOfRows },
      ...(mlp && { mlp }),
      ...(weights && { weights }),
    });
  }
  await addRouters(f, a, g, b, answers, pacer, tally);
  const hasShared = a.shared !== undefined && b.shared !== undefined;
  const shared = hasShared ? await functions(a.shared, b.shared) : undefined;
  if (hasShared) await compareWeightsOf(f, a.shared, g, b.shared, pacer, tally);
  const sharedGate = await comparePieces(f, a.sharedGate, g, b.sharedGate, pacer);
  return {
    experts,
    router: routersOf(rows[0], rows[1], answers),
    ...(shared && { shared }),
    ...(sharedGate && { sharedGate }),
  };
}

/** Rows of a router behind its norm, and what is added to each, less their mean: no softmax over experts sees that. */
async function readRouter(
  { network: { width }, read }: BlockFile,
  layer: LayerBlocks,
  experts: Experts,
  options: BlockSettled,
  view: StreamView | undefined,
) {
  const norm = await readGain(layer.mlpNorm, read);
  const own = experts.routerBias === undefined ? null : await read(experts.routerBias);
  const { weight: stored, bias } = behindNorm(await read(experts.router), own, norm, width);
  const basis = view?.basis ?? null;
  const weight = basis === null ? stored : await productsBy(options).rows(stored, basis, width);
  const count = weight.length / width;
  const rows = Array.from({ length: count }, (_, expert) => {
    const row = new Float64Array(width + 1);
    row.set(weight.subarray(expert * width, (expert + 1) * width));
    row[width] = bias?.[expert] ?? 0;
    return row;
  });
  const mean = new Float64Array(width + 1);
  for (const row of rows) for (let j = 0; j <= width; j++) mean[j] += row[j] / count;
  for (const row of rows) for (let j = 0; j <= width; j++) row[j] -= mean[j];
  return rows;
}

type Rows = readonly Float64Array[];

function product(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** (experts, experts'), NaN beside a row of zeros. */
async function cosinesOf(one: Rows, other: Rows, pacer: Pacer): Promise<Float64Array> {
  const [own, others] = [one, other].map((rows) => rows.map((row) => product(row, row)));
  const found = new Float64Array(one.length * other.length);
  for (const [i, row] of one.entries())
    for (const [j, answer] of other.entries()) {
      found[i * other.length + j] = cosine(product(row, answer), own[i], others[j]);
      if (pacer.due(row.length)) await pacer.pause();
    }
  return found;
}

const known = (value: number): number => (Number.isNaN(value) ? 0 : value);

/** Scores of experts as functions of what the norm divides. */
function routersOf(one: Rows, other: Rows, answers: readonly number[]): BlockSimilarity | null {
  let [ff, fg, gg, difference] = [0, 0, 0, 0];
  for (const [expert, answeredBy] of answers.entries()) {
    const [a, b] = [one[expert], other[answeredBy]];
    ff += product(a, a);
    fg += product(a, b);
    gg += product(b, b);
    difference += a.reduce((sum, value, j) => sum + (value - b[j]) ** 2, 0);
  }
  if (!(ff > 0 && gg > 0)) return null;
  const fidelityError = difference / ff;
  return { similarity: cosine(fg, ff, gg), fidelityError: fidelityError < SAME ? 0 : fidelityError };
}

/** Of one MLP's weights, which are added to those of the layer as well. */
async function compareWeightsOf(
  f: BlockFile,
  one: Mlp,
  g: BlockFile,
  other: Mlp,
  pacer: Pacer,
  layer: WeightTally,
): Promise<WeightComparison> {
  const own = new WeightTally();
  for (const role of ['gate', 'gateBias', 'up', 'upBias', 'down', 'downBias'] as const) {
    const [piece, answer] = [one[role], other[role]];
    if (piece === undefined || answer === undefined) continue;
    const [a, b] = [await f.read(piece), await g.read(answer)];
    if (a.length !== b.length) continue;
    for (const tally of [own, layer]) await tally.add(a, b, pacer);
  }
  return own.result;
}

/** Adds what belongs to the mixture as a whole as it is stored, rows of routers in the order of the answers. */
async function addRouters(
  f: BlockFile,
  one: Experts,
  g: BlockFile,
  other: Experts,
  answers: readonly number[],
  pacer: Pacer,
  tally: WeightTally,
): Promise<void> {
  for (const role of ['router', 'routerBias', 'sharedGate'] as const) {
    const [piece, answer] = [one[role], other[role]];
    if (piece === undefined || answer === undefined) continue;
    const [a, b] = [await f.read(piece), await g.read(answer)];
    if (a.length !== b.length) continue;
    await tally.add(a, role === 'sharedGate' ? b : rowsInOrder(b, answers), pacer);
  }
}

function rowsInOrder(data: Float64Array, order: readonly number[]): Float64Array {
  const width = data.length / order.length;
  const result = new Float64Array(data.length);
  order.forEach((from, to) => {
    result.set(data.subarray(from * width, (from + 1) * width), to * width);
  });
  return result;
}
