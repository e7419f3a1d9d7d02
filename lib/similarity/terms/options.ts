import type { BackendName, BackendWith } from '../../backend/backend.js';
import type { GramRoute } from '../../backend/grams.js';
import { checkTf32 } from '../../backend/tf32.js';
import { TensimError } from '../../errors.js';
import type { DType } from '../../tensor/tensor.js';
import { valueText } from '../../words/quoting.js';
import type { DataInputs, InputLaw, Measure, Method, Progress, SimilarityOptions } from './types.js';

/** The options of a call with every default filled in. */
export interface Settings {
  readonly measure: Measure;
  readonly method: 'auto' | Method;
  readonly route: 'auto' | GramRoute;
  readonly input: InputLaw;
  readonly inputs: DataInputs | undefined;
  readonly dtype: DType;
  readonly tf32: boolean;
  /** As asked for: which one it will be depends on the method. */
  readonly backend: 'auto' | BackendName;
  readonly threads: number | undefined;
  readonly perOutput: boolean;
  /** Undefined: where it is known, and costs nothing. */
  readonly degrees: boolean | undefined;
  readonly seed: number;
  readonly tolerance: number;
  readonly maxSamples: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

/** Settings with the backend found that will compute. */
export type ResolvedSettings = Omit<Settings, 'backend'> & { readonly backend: BackendWith<'grams'> };

const CHOICES = {
  measure: ['gaussian', 'tensor', 'weights', 'behavioural'],
  method: ['auto', 'exact', 'closure', 'sampled'],
  route: ['auto', 'factor', 'unfolded', 'dense'],
  dtype: ['float64', 'float32'],
} as const;

/** The names of the options of every comparison. */
export const KNOWN: readonly string[] = [
  ...Object.keys(CHOICES),
  'tf32',
  'input',
  'inputs',
  'backend',
  'threads',
  'perOutput',
  'degrees',
  'seed',
  'tolerance',
  'maxSamples',
  'signal',
  'onProgress',
];

/** Sampling stops here: half the width of the 95 % intervals, and samples (32 groups of 8192). */
const TOLERANCE = 0.005;
const MAX_SAMPLES = 2 ** 18;
/** Fewer would leave the groups of the jackknife next to nothing. */
const FEWEST_SAMPLES = 1024;

/**
 * Checks options and fills in the defaults.
 * @param known the names that an error for an unknown option lists.
 * @throws TensimError `INVALID_ARGUMENT` for an unknown option or value, or a method that the measure has not; the
 * signal's reason if it is aborted already.
 */
export function settle(options: SimilarityOptions, known = KNOWN): Settings {
  const unknown = Object.keys(options).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) {
    throw new TensimError('INVALID_ARGUMENT', `there is no option "${unknown}"`, {
      hint: `Options are ${known.join(', ')}`,
    });
  }
  const { threads, signal, onProgress, input = 'standard', inputs, perOutput = false } = options;
  const { degrees } = options;
  const { seed = 0, tolerance = TOLERANCE, maxSamples = MAX_SAMPLES } = options;
  if (threads !== undefined) requireWhole('threads', threads, 1);
  requireWhole('seed', seed, 0);
  requireWhole('maxSamples', maxSamples, FEWEST_SAMPLES);
  if (!(tolerance > 0 && tolerance <= 1)) {
    throw new TensimError('INVALID_ARGUMENT', `the option "tolerance" is ${String(tolerance)}`, {
      hint: 'It is half the width of the interval that a similarity is wanted in: between 0 and 1',
    });
  }
  const method = choose('method', options.method, 'auto');
  const measure = choose('measure', options.measure, 'gaussian');
  const route = choose('route', options.route, 'auto');
  if ((method === 'closure' || method === 'sampled') && measure !== 'gaussian') {
    throw new TensimError('INVALID_ARGUMENT', `the measure "${measure}" has no method "${method}"`, {
      hint: 'It is always exact',
    });
  }
  if (inputs !== undefined && measure !== 'behavioural') {
    throw new TensimError('INVALID_ARGUMENT', `the measure "${measure}" takes no inputs`, {
      hint: 'It compares models on all inputs; "behavioural" compares them on given ones',
    });
  }
  const dtype = choose('dtype', options.dtype, 'float64');
  signal?.throwIfAborted();
  const { backend = 'auto' } = options;
  const tf32 = checkTf32({ tf32: options.tf32, dtype, backend });
  return {
    measure,
    method,
    route,
    input,
    inputs,
    dtype,
    tf32,
    backend,
    threads,
    perOutput,
    degrees,
    seed,
    tolerance,
    maxSamples,
    signal,
    onProgress,
  };
}

function requireWhole(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new TensimError('INVALID_ARGUMENT', `the option "${name}" is ${String(value)}`, {
    hint: `It must be a whole number from ${least}`,
  });
}

function choose<Name extends keyof typeof CHOICES, Choice extends (typeof CHOICES)[Name][number]>(
  name: Name,
  value: Choice | undefined,
  fallback: Choice,
): Choice {
  const choices: readonly string[] = CHOICES[name];
  const chosen = value ?? fallback;
  if (choices.includes(chosen)) return chosen;
  throw new TensimError('INVALID_ARGUMENT', `the option "${name}" is ${valueText(chosen)}`, {
    hint: `It may be ${choices.join(', ')}`,
  });
}
