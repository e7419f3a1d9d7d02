import type { BackendName } from '../../backend/backend.js';
import type { GramTile, WhitenedLaw } from '../../backend/grams.js';
import type { Task } from '../../backend/task.js';
import { TensimError } from '../../errors.js';
import { selectBackend } from '../../machines/select.js';
import type { Model } from '../../model/model.js';
import { expanded } from '../../similarity/difference/expanded.js';
import { certifiedPair } from '../../similarity/gram/certified.js';
import { pairDegrees } from '../../similarity/gram/degrees.js';
import { entryOf, pairNumbers } from '../../similarity/gram/derived.js';
import { similarity } from '../../similarity/similarity.js';
import type { MlpComparison } from '../terms.js';
import type { MlpMethod } from './choose.js';
import { exactGram } from './exact.js';
import { type SampledPair, sampledPairs } from './sampled.js';
import type { MlpSource } from './source.js';

/** How MLPs are compared. */
export interface MlpSettings {
  readonly backend: 'auto' | BackendName | undefined;
  /** Who compares in each way, where that was chosen by the work. Default: `backend`. */
  readonly mlpBackends?: Readonly<Partial<Record<'exact' | 'sampled', BackendName>>> | undefined;
  readonly threads: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly seed: number;
  readonly tolerance: number;
  readonly maxSamples: number;
  /** The law of their input. */
  readonly law: WhitenedLaw;
}

/** What comparing MLPs asks of a backend. */
export const TASKS = {
  exact: (kinds: ReadonlySet<string>) =>
    ({ grams: { method: 'hidden', kinds, dtype: 'float64', degrees: true } }) satisfies Task,
  sampled: (kinds: ReadonlySet<string>) => ({ normals: {}, forward: { kinds, dtype: 'float32' } }) satisfies Task,
} as const;

/** What is found of two MLPs, but for the name of the law. */
export type Compared = Omit<MlpComparison, 'input'>;

/** Two MLPs of one width. */
export async function compareMlpPair(
  pair: readonly [MlpSource, MlpSource],
  method: Exclude<MlpMethod, 'whole'>,
  settings: MlpSettings,
): Promise<Compared> {
  const found = (await compareMlps(pair, method, settings))(0, 1);
  if (found !== null) return found;
  const [one, other] = pair.map(({ label }) => label);
  throw new TensimError('ZERO_NORM', `${one} or ${other} is zero`, { hint: 'Nothing is similar to zero' });
}

/**
 * Any number of MLPs of one width, by their places; the first is the one that a fidelity error refers to. Null where one
 * of the two is zero.
 */
export async function compareMlps(
  mlps: readonly MlpSource[],
  method: Exclude<MlpMethod, 'whole'>,
  settings: MlpSettings,
): Promise<(i: number, j: number) => Compared | null> {
  const { backend: wanted, mlpBackends: own, threads, signal, seed, tolerance, maxSamples, law } = settings;
  const kinds = new Set(mlps.map(({ gated }) => (gated ? 'gated' : 'hidden')));
  if (method === 'sampled') {
    const backend = await selectBackend(own?.sampled ?? wanted, TASKS.sampled(kinds), signal);
    const found = await sampledPairs(mlps, { backend, law, seed, tolerance, maxSamples, threads, signal });
    return (i, j) => sampledComparison(found.get(Math.min(i, j) * mlps.length + Math.max(i, j))!, i < j);
  }
  const backend = await selectBackend(own?.exact ?? wanted, TASKS.exact(kinds), signal);
  const gram = await exactGram(mlps, { backend, law, threads, signal });
  return (i, j) => exactComparison(pairOf(gram, mlps.length, i, j));
}

/** Two MLPs as whole models of an input that is independent and standard normal. */
export async function comparedWhole(
  [a, b]: readonly [Model, Model],
  { backend, threads, signal }: Omit<MlpSettings, 'law'>,
): Promise<Compared> {
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

/** The (2, 2) tile of two of several. */
function pairOf({ total, perDegree, bound }: GramTile, count: number, i: number, j: number): GramTile {
  const cells = [i * count + i, i * count + j, j * count + i, j * count + j];
  const taken = (values: Float64Array, size: number) =>
    Float64Array.from(cells.flatMap((cell) => [...values.subarray(cell * size, (cell + 1) * size)]));
  return { total: taken(total, 1), perDegree: taken(perDegree!, 4), bound: taken(bound!, 1) };
}

function exactComparison(gram: GramTile): Compared | null {
  const entry = entryOf(gram.total, undefined, 0, 1);
  if (!(entry.aa > 0 && entry.bb > 0)) return null;
  const degrees = pairDegrees(gram, undefined, 'float64');
  return {
    similarity: pairNumbers(entry).similarity,
    fidelityError: expanded(entry, 'float64').fidelityError!,
    ...{ exact: true, standardError: null, certified: certifiedPair(gram, 'float64')! },
    ...(degrees && { byDegree: degrees }),
  };
}

/** @param isForward whether the first of the two is the one that fidelity errors refer to */
function sampledComparison(pair: SampledPair, isForward: boolean): Compared | null {
  const { similarity: cosine, standardError, samples } = pair;
  if (Number.isNaN(cosine)) return null;
  const fidelityError = isForward ? pair.fidelityError : pair.reverseFidelityError;
  return { similarity: cosine, fidelityError, exact: false, standardError, samples };
}
