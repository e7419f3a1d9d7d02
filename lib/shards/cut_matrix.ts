import { TensimError } from '../errors.js';
import { crossOrder, squareOrder } from '../similarity/gram/numbering.js';
import { pairCount } from '../similarity/gram/pairs.js';
import type { ModelList } from '../similarity/matrix.js';
import { type Comparison, type OfBehaviours, type OfSamples, planComparison } from '../similarity/plan/comparison.js';
import { type MatrixSettings, settleMatrix } from '../similarity/terms/matrix_options.js';
import { checkCount } from './choice.js';
import { costsOf } from './costs.js';
import { type Cut, cutOf } from './grid.js';
import type { SampledMatrix } from './samples/matrix.js';
import { type Subject, subjectOf, unread } from './subject.js';
import type { ShardOptions } from './terms.js';

/** A matrix, how it is computed, and how it is cut. */
export interface CutMatrix {
  readonly settings: MatrixSettings;
  readonly subject: Subject;
  readonly comparison: Exclude<Comparison, OfBehaviours | OfSamples>;
  readonly cut: Cut;
  /** Inner products of different files. */
  readonly pairs: number;
}

/** Bytes of memory by which the route is chosen, whatever a machine has. */
const USUAL_MEMORY = 16 * 2 ** 30;

/**
 * Plans a matrix by the headers of its files. What decides about bits (the method, the route, where it is cut) follows
 * from these, the options and the backend: not from the memory, the threads or the load of the machine that asks.
 * @throws TensimError as `similarityMatrix`; `INVALID_ARGUMENT` for what is not computed in shards.
 */
export async function cutMatrix(
  models: ModelList,
  count: number,
  { order, alike = false, ...options }: ShardOptions,
): Promise<CutMatrix | SampledMatrix> {
  checkCount(count, 'a matrix');
  const settings = settleMatrix(options);
  if (settings.measure === 'behavioural') {
    throw new TensimError('INVALID_ARGUMENT', 'the measure "behavioural" is not computed in shards', {
      hint: 'It evaluates every model once, and compares quickly: run it as one',
    });
  }
  const subject = await subjectOf(models, settings, { order, alike });
  const { members, pairs } = differentOf(subject);
  // What a machine has, and what of it is free, must not decide about bits: shards are of machines of any size.
  const memory = { freeMemory: Number.POSITIVE_INFINITY, totalMemory: USUAL_MEMORY };
  const comparison = await planComparison(members, settings, { pairs, keeps: true, ...memory });
  if (comparison.kind === 'samples') return { settings, subject, comparison, pairs, cut: null };
  if (comparison.kind === 'behaviours') throw new TensimError('INTERNAL', 'the measure was refused before');
  const costs = await costsOf(subject, comparison, alike ? 1 : subject.paths.length);
  const cut = cutOf(subject.extent, costs, count);
  return { settings, subject, comparison, cut, pairs };
}

/** The models of different files, as far as that is known without reading them, and the pairs of these that are wanted. */
function differentOf(subject: Subject) {
  const { paths, extent } = subject;
  const places = new Map<string, number>();
  const numbers = Int32Array.from(paths, (path) => {
    const number = places.get(path) ?? places.size;
    places.set(path, number);
    return number;
  });
  const all = unread(subject);
  let next = 0;
  const members = all.filter((_, place) => numbers[place] === next && ++next > 0);
  const ranked = { members, listed: members, numbers, rank: Int32Array.from(members.keys()) };
  const { pairs } = extent.columns === 0 ? squareOrder(ranked, extent.window) : crossOrder(ranked, extent.rows);
  return { members, pairs: pairCount(pairs) };
}
