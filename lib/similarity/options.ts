import type { Backend } from '../backend/backend.js';
import { selectBackend } from '../backend/select.js';
import { TensimError } from '../errors.js';
import type { DType } from '../tensor/tensor.js';
import type { DataInputs, InputLaw, Measure, Progress, ResultInfo, SimilarityOptions } from './types.js';

/** The options of a call with every default filled in. */
export interface Settings {
  readonly measure: Measure;
  readonly input: InputLaw;
  readonly inputs: DataInputs | undefined;
  readonly dtype: DType;
  readonly backend: Backend;
  readonly threads: number | undefined;
  readonly perOutput: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

const CHOICES = {
  measure: ['gaussian', 'tensor', 'weights', 'behavioural'],
  method: ['auto', 'exact'],
  dtype: ['float64', 'float32'],
} as const;

const KNOWN = [...Object.keys(CHOICES), 'input', 'inputs', 'backend', 'threads', 'perOutput', 'signal', 'onProgress'];

/**
 * Checks options and fills in the defaults.
 * @throws TensimError `INVALID_ARGUMENT` for an unknown option or value, `BACKEND_UNAVAILABLE`; the signal's reason if it is
 * aborted already.
 */
export function settle(options: SimilarityOptions): Settings {
  const unknown = Object.keys(options).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) {
    throw new TensimError('INVALID_ARGUMENT', `there is no option "${unknown}"`, {
      hint: `Options are ${KNOWN.join(', ')}`,
    });
  }
  const { threads, signal, onProgress, input = 'standard', inputs, perOutput = false } = options;
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads >= 1)) {
    throw new TensimError('INVALID_ARGUMENT', `the option "threads" is ${String(threads)}`, {
      hint: 'It must be a whole number from 1',
    });
  }
  choose('method', options.method, 'auto');
  const measure = choose('measure', options.measure, 'gaussian');
  if (inputs !== undefined && measure !== 'behavioural') {
    throw new TensimError('INVALID_ARGUMENT', `the measure "${measure}" takes no inputs`, {
      hint: 'It compares models on all inputs; "behavioural" compares them on given ones',
    });
  }
  const dtype = choose('dtype', options.dtype, 'float64');
  signal?.throwIfAborted();
  return {
    measure,
    input,
    inputs,
    dtype,
    backend: selectBackend(options.backend),
    threads,
    perOutput,
    signal,
    onProgress,
  };
}

/** How a result was obtained; `input` is the name of the law, null where none is used. */
export function resultInfo(settings: Settings, input: string | null): ResultInfo {
  const { measure, dtype, backend } = settings;
  return { measure, method: 'exact', exact: true, standardError: null, input, dtype, backend: backend.name };
}

function choose<Name extends keyof typeof CHOICES>(
  name: Name,
  value: (typeof CHOICES)[Name][number] | undefined,
  fallback: (typeof CHOICES)[Name][number],
): (typeof CHOICES)[Name][number] {
  const choices: readonly string[] = CHOICES[name];
  const chosen = value ?? fallback;
  if (choices.includes(chosen)) return chosen;
  throw new TensimError('INVALID_ARGUMENT', `the option "${name}" is ${JSON.stringify(chosen)}`, {
    hint: `It may be ${choices.join(', ')}`,
  });
}
