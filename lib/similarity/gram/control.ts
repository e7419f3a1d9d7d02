import type { BackendWith } from '../../backend/backend.js';
import type { Control } from '../../backend/control.js';
import type { GramJob } from '../../backend/grams.js';
import { throttle } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { EPSILON, type Precision } from '../../tensor/tensor.js';
import { isRounding, type ModelScale } from '../scale/model_scale.js';
import type { Settings } from '../terms/options.js';
import type { Progress } from '../terms/types.js';

/** What the work on a Gram matrix needs to know of the settings. */
export type GramSettings = Pick<Settings, 'dtype' | 'threads' | 'perOutput' | 'signal' | 'onProgress'> &
  Partial<Pick<Settings, 'degrees'>> & {
    readonly backend: BackendWith<'grams'>;
    readonly measure: GramJob['measure'];
  };

export type Report = (phase: Progress['phase'], done: number, total: number) => void;

/** One limit on the rate for all phases; the end of each gets through. */
export function reporter(onProgress: GramSettings['onProgress']): Report {
  if (onProgress === undefined) return () => {};
  let phase: Progress['phase'] = 'prepare';
  const report = throttle((done, total) => onProgress({ phase, done, total }));
  return (nextPhase, done, total) => {
    phase = nextPhase;
    report(done, total);
  };
}

/** Backends count a job in units of their own; they become pairs here. The end of a job is reported by its owner. */
export function jobControl(
  { signal, threads, onProgress }: GramSettings,
  before: number,
  inJob: number,
  pairs: number,
  progress: Report,
): Control {
  if (onProgress === undefined) return { signal, threads };
  return {
    signal,
    threads,
    onProgress: (done, total) => {
      if (done < total) progress('compare', before + Math.floor((done / total) * inJob), pairs);
    },
  };
}

/**
 * Whether a value can be an inner product, of a model with itself or not: products must be numbers, and a model must
 * have a norm.
 */
export function isProduct(value: number, same: boolean): boolean {
  return Number.isFinite(value) && (value > 0 || !same);
}

/**
 * @param same whether a and b are the same model.
 * @throws TensimError `NOT_FINITE` or `ZERO_NORM` naming the models.
 */
export function checkProduct(value: number, a: string, b: string, same: boolean): void {
  if (isProduct(value, same)) return;
  if (!Number.isFinite(value)) {
    throw new TensimError('NOT_FINITE', `the inner product of "${a}" and "${b}" is ${value}`, {
      hint: 'Outputs of networks of many blocks leave the range of numbers: use dtype "float64", or the method "closure", whose moments are kept in range',
    });
  }
  throw new TensimError('ZERO_NORM', `"${a}" is zero under this measure, so that its similarity is undefined`, {
    hint: 'Leave it out, or check that its weights were saved',
  });
}

/**
 * @param square ⟨f,f⟩ in the units of the model.
 * @throws TensimError `ZERO_NORM` for a norm that is only what rounding left.
 */
export function checkNorm(square: number, scale: ModelScale, label: string, precision: Precision): void {
  if (!isRounding(square, scale.level, EPSILON[precision])) return;
  throw new TensimError(
    'ZERO_NORM',
    `"${label}" is zero under this input law, but for rounding: its similarity would be noise`,
    {
      hint:
        precision !== 'float64'
          ? 'Its terms cancel. Use dtype "float64", which tells smaller norms from zero, or another input law'
          : 'Its terms cancel. Leave it out, or use another input law',
    },
  );
}
