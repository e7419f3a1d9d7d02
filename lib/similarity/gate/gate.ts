import { TensimError } from '../../errors.js';
import type { Model } from '../../model/model.js';
import { underContract } from '../../plain_data.js';
import { FEWEST_EFFECTIVE, INTERVAL } from '../sampled/jackknife.js';
import { similarity } from '../similarity.js';
import type { ResultInfo, Sampling, SimilarityOptions, SimilarityResult } from '../terms/types.js';
import { type Making, requireSameMaking } from './baseline.js';

const DEFAULT_MIN = 0.98;
const DEFAULT_MIN_OUTPUT = 0.9;
const DEFAULT_MAX_DROP = 0.01;

/** What a comparison is held against. */
export interface GateLimits {
  /** The least similarity in all. Default 0.98. */
  readonly min?: number | undefined;
  /** The least similarity of every single output. Default 0.9. */
  readonly minOutput?: number | undefined;
  /**
   * An earlier comparison with per-output results: neither the similarity nor that of any output may drop further than
   * `maxDrop`.
   */
  readonly baseline?: Judged | undefined;
  /** Default 0.01; only with a baseline. */
  readonly maxDrop?: number | undefined;
}

/** How two models are compared, and the limits that decide. */
export interface GateOptions extends Omit<SimilarityOptions, 'perOutput'>, GateLimits {}

/**
 * What is judged of a comparison; a `SimilarityResult` is one. Where a baseline says how it was made (measure, method,
 * exactness, dtype, input law by its content) and the norm of its reference, they must be the same.
 */
export interface Judged extends Pick<ResultInfo, 'standardError'>, Making {
  /** From −1 to 1; null where it is undefined. */
  readonly similarity: number | null;
  /** How it was sampled, if it was. */
  readonly sampling?: (Pick<Sampling, 'effectiveSamples'> & Partial<Pick<Sampling, 'reached'>>) | null | undefined;
  /** Every output by itself; without, the gate cannot pass. */
  readonly perOutput?: readonly JudgedSlice[] | undefined;
}

/** What is judged of one output. */
export interface JudgedSlice {
  /** Which output it is. */
  readonly name: string;
  /** From −1 to 1; null where it is undefined. */
  readonly similarity: number | null;
  /** Where it was sampled. */
  readonly standardError?: number | null | undefined;
  /** Likewise; where they are missing, those of the similarity in all stand for them. */
  readonly effectiveSamples?: number | undefined;
  /** Whether samples enough carry it; likewise. */
  readonly reached?: boolean | undefined;
}

/**
 * `undecided`: the 95 % interval of a sampled similarity has the limit in it, too few samples carry it to trust the
 * interval, or it would pass and was not reached.
 */
export type GateOutcome = 'pass' | 'fail' | 'undecided';

/** One similarity held against one limit. */
export interface GateCheck {
  /** `minimum`: against `min` or `minOutput`; `drop`: against the baseline less `maxDrop`. */
  readonly kind: 'minimum' | 'drop';
  /** Name of the output (`any` where none was compared); null for the similarity in all. */
  readonly output: string | null;
  /** Null where it is undefined (a zero output) or missing. */
  readonly similarity: number | null;
  /** What it must reach; null where the baseline has nothing to compare with. */
  readonly limit: number | null;
  /** Of 95 %, for sampled similarities. */
  readonly interval: readonly [low: number, high: number] | null;
  /** What this check alone says. */
  readonly outcome: GateOutcome;
}

/** What a comparison comes to. */
export interface Verdict {
  /** `fail` if any check fails, else `undecided` if any is, else `pass`. */
  readonly outcome: GateOutcome;
  /** Every similarity with the limit that it was held against: the whole first, then the outputs. */
  readonly checks: readonly GateCheck[];
  /** The output with the least similarity, an undefined one first; null if there are no outputs. */
  readonly worst: JudgedSlice | null;
}

/** A network before a gate. */
export interface GateSubject {
  /** Its label. */
  readonly label: string;
  /** Where it was read from, if it was. */
  readonly file?: string | undefined;
  /** Hex digest of its files, if it was read from any. */
  readonly sha256?: string | undefined;
  /** Where in its file it is, where that was asked for. */
  readonly key?: string;
}

/** A verdict with the comparison that it is about. */
export interface GateResult extends Verdict {
  /** The network that wants to pass. */
  readonly candidate: GateSubject;
  /** What it was held against. */
  readonly reference: GateSubject;
  /** The limits with their defaults filled in; `maxDrop` is null without a baseline. */
  readonly limits: {
    /** Of the similarity in all. */
    readonly min: number;
    /** Of that of every output. */
    readonly minOutput: number;
    /** Of the drop from the baseline. */
    readonly maxDrop: number | null;
  };
  /** With per-output results; a later gate's baseline. */
  readonly comparison: SimilarityResult;
}

/**
 * Whether a candidate may take the place of a reference: the similarity in all must reach `min`, that of its worst
 * output `minOutput`, and neither may have dropped from a baseline. What is undefined or missing fails; what is sampled
 * and too close to a limit to tell is undecided.
 *
 *     const { outcome, worst } = await gate(candidate, released, { min: 0.99 });
 *
 * As for `similarity`, nothing that is given may change until the promise settles.
 *
 * @throws TensimError (rejects) as `similarity`; `INVALID_ARGUMENT` for limits that are none, and for a baseline that
 * was made in another way, by name of what differs. No error is a pass.
 */
export async function gate(candidate: Model, reference: Model, options: GateOptions = {}): Promise<GateResult> {
  const { min, minOutput, baseline, maxDrop, ...others } = options;
  const limits = settleLimits({ min, minOutput, baseline, maxDrop });
  const comparison = await similarity(candidate, reference, { ...others, perOutput: true });
  return underContract('gate', {
    ...{ candidate: subjectOf(candidate), reference: subjectOf(reference) },
    ...judge(comparison, limits),
    limits: limitsOf(limits),
    comparison,
  });
}

function subjectOf({ label, provenance: { file, sha256, key } }: Model): GateSubject {
  return { label, file, sha256, ...(key !== undefined && { key }) };
}

/**
 * @throws TensimError `INVALID_ARGUMENT` for limits that are none, or a baseline that cannot be, before anything is
 * computed.
 */
export function settleLimits(limits: GateLimits): Required<GateLimits> {
  const { min = DEFAULT_MIN, minOutput = DEFAULT_MIN_OUTPUT, baseline, maxDrop } = limits;
  if (baseline === undefined && maxDrop !== undefined) {
    throw new TensimError('INVALID_ARGUMENT', 'the option "maxDrop" needs a baseline to drop from');
  }
  if (baseline !== undefined && baseline.perOutput === undefined) {
    throw new TensimError('INVALID_ARGUMENT', 'the baseline has no results per output', {
      hint: 'Take the comparison of a gate, or one made with the option "perOutput"',
    });
  }
  if (baseline !== undefined) requireSimilarities(baseline, 'the baseline');
  for (const [name, value, low, high] of [
    ['min', min, -1, 1],
    ['minOutput', minOutput, -1, 1],
    ['maxDrop', maxDrop ?? 0, 0, 2],
  ] as const) {
    if (typeof value === 'number' && value >= low && value <= high) continue;
    throw new TensimError('INVALID_ARGUMENT', `the option "${name}" is ${String(value)}`, {
      hint: `It must be a number from ${low} to ${high}`,
    });
  }
  return { min, minOutput, baseline, maxDrop: baseline && (maxDrop ?? DEFAULT_MAX_DROP) };
}

/** A number that no similarity has is not judged; one that is none (NaN, infinite, null) is undefined, and fails. */
function requireSimilarities({ similarity: all, perOutput = [] }: Judged, where: string): void {
  for (const { name, similarity: value } of [{ name: null, similarity: all }, ...perOutput]) {
    if (!isNumber(value) || Math.abs(value) <= 1) continue;
    const which = name === null ? 'similarity' : `similarity of output ${name}`;
    throw new TensimError('INVALID_ARGUMENT', `the ${which} of ${where} is ${value}`, {
      hint: 'It must be a number from -1 to 1, or null where it is undefined',
    });
  }
}

function limitsOf({ min, minOutput, maxDrop }: Required<GateLimits>): GateResult['limits'] {
  return { min: min!, minOutput: minOutput!, maxDrop: maxDrop ?? null };
}

/**
 * Holds a comparison against limits. Nothing is a pass that is not a number at least as large as its limit.
 *
 *     judge(await similarity(a, b, { perOutput: true }), { min: 0.99 }).outcome;
 *
 * @throws TensimError `INVALID_ARGUMENT` for limits that are none, a similarity beyond −1 and 1, and a baseline that
 * was made in another way.
 */
export function judge(comparison: Judged, given: GateLimits): Verdict {
  const { min, minOutput, baseline, maxDrop } = settleLimits(given);
  requireSimilarities(comparison, 'the comparison');
  if (baseline !== undefined) requireSameMaking(baseline, comparison);
  const slices = comparison.perOutput ?? [];
  const checks = [
    check('minimum', null, estimateOf(comparison, comparison), min!),
    ...slices.map((slice) => check('minimum', slice.name, estimateOf(slice, comparison), minOutput!)),
  ];
  // Outputs that were not compared cannot pass.
  if (slices.length === 0) checks.push(check('minimum', 'any', MISSING, minOutput!));
  if (baseline !== undefined) for (const check of dropChecks(comparison, baseline, maxDrop!)) checks.push(check);
  const outcomes = checks.map(({ outcome }) => outcome);
  const outcome = outcomes.includes('fail') ? 'fail' : outcomes.includes('undecided') ? 'undecided' : 'pass';
  const rank = ({ similarity: value }: JudgedSlice) => (isNumber(value) ? value : Number.NEGATIVE_INFINITY);
  const worst = slices.reduce<JudgedSlice | null>(
    (least, slice) => (least === null || rank(slice) < rank(least) ? slice : least),
    null,
  );
  return { outcome, checks, worst };
}

/** A similarity with its standard error: null where exact, NaN where it was sampled and the error is not known. */
export interface Estimate {
  readonly similarity: number | null;
  readonly standardError: number | null;
  /** False where it was sampled and not reached. */
  readonly reached: boolean;
}

const MISSING: Estimate = { similarity: null, standardError: null, reached: false };

/** The similarity in all, or that of an output, of a comparison. Errors that too few samples carry say nothing. */
function estimateOf(part: Judged | JudgedSlice | undefined, comparison: Judged): Estimate {
  if (part === undefined) return MISSING;
  const { similarity: value, standardError } = part;
  const { sampling } = comparison;
  const isExact = comparison.standardError === null && (sampling ?? null) === null;
  const own = 'name' in part ? part : sampling;
  const effective = own?.effectiveSamples ?? sampling?.effectiveSamples;
  // Of an output, `reached` says whether its interval can be relied on at all.
  const reliable = ('name' in part ? part.reached : undefined) ?? effective! >= FEWEST_EFFECTIVE;
  const unreliable = sampling != null && !reliable;
  const reached = own?.reached ?? sampling?.reached ?? true;
  if (unreliable) return { similarity: value, standardError: Number.NaN, reached };
  return { similarity: value, standardError: standardError ?? (isExact ? null : Number.NaN), reached };
}

/** Every output that either of the two has is held against the other's. */
function dropChecks(comparison: Judged, baseline: Judged, maxDrop: number): GateCheck[] {
  const [now, before] = [comparison, baseline].map(
    ({ perOutput = [] }) => new Map(perOutput.map((slice) => [slice.name, slice])),
  );
  const names = new Set([...now.keys(), ...before.keys()]);
  const pairs = Array.from(names, (name): [string | null, Estimate, Estimate] => {
    return [name, estimateOf(now.get(name), comparison), estimateOf(before.get(name), baseline)];
  });
  pairs.unshift([null, estimateOf(comparison, comparison), estimateOf(baseline, baseline)]);
  return pairs.map(([name, value, earlier]) => {
    const limit = isNumber(earlier.similarity) ? earlier.similarity - maxDrop : null;
    const errors = [value.standardError, earlier.standardError];
    const standardError = errors.every((error) => error === null)
      ? null
      : Math.hypot(value.standardError ?? 0, earlier.standardError ?? 0);
    const reached = value.reached && earlier.reached;
    return check('drop', name, { similarity: value.similarity, standardError, reached }, limit);
  });
}

/** Holds one similarity against one limit. */
export function check(
  kind: GateCheck['kind'],
  output: string | null,
  estimate: Estimate,
  limit: number | null,
): GateCheck {
  const { similarity: value, standardError, reached } = estimate;
  const about = { kind, output, limit };
  if (!isNumber(value)) return { ...about, similarity: null, interval: null, outcome: 'fail' };
  if (limit === null) return { ...about, similarity: value, interval: null, outcome: 'fail' };
  if (standardError === null) {
    return { ...about, similarity: value, interval: null, outcome: value >= limit ? 'pass' : 'fail' };
  }
  if (!(standardError >= 0 && standardError < Number.POSITIVE_INFINITY))
    return { ...about, similarity: value, interval: null, outcome: 'undecided' };
  const [low, high] = [value - INTERVAL * standardError, value + INTERVAL * standardError];
  const outcome = low >= limit && reached ? 'pass' : high < limit ? 'fail' : 'undecided';
  return { ...about, similarity: value, interval: [low, high], outcome };
}

function isNumber(value: number | null): value is number {
  return value !== null && Number.isFinite(value);
}
