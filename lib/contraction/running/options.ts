import type { BackendName } from '../../backend/backend.js';
import type { Control } from '../../backend/control.js';
import { checkTf32 } from '../../backend/tf32.js';
import { TensimError } from '../../errors.js';
import type { DType, Tensor } from '../../tensor/tensor.js';
import type { Strategy } from '../cost.js';
import type { Optimize } from '../path/find.js';

/** How a contraction is planned. */
export interface PlanOptions {
  /** How the order of the products is found; see `Optimize`. Default `auto`. */
  readonly optimize?: Optimize | undefined;
  /**
   * What the search minimises: predicted `time` (flops and bytes at the speed of the machine; the default), or `flops`.
   */
  readonly cost?: 'time' | 'flops' | undefined;
  /**
   * Bytes that intermediates, the result and workspace may take together; operands are not counted. Labels are sliced
   * until it holds. Default: no limit.
   */
  readonly memoryLimit?: number | undefined;
  /** How pairwise products are executed; `ttgt` and `loops` are there to compare. Default `blocked`. */
  readonly strategy?: Strategy | undefined;
  /** Keep every intermediate in range by powers of two; the result has an `exponent`. Default false. */
  readonly stripExponent?: boolean | undefined;
  /** Seed of the random search. Default 0. */
  readonly seed?: number | undefined;
  /** Compute type. Default: that of the operands if it is one, else `float64`. Other operands are converted. */
  readonly dtype?: DType | undefined;
  /**
   * Let products of float32 be one pass of TF32, of factors rounded to 11 bits: about three times as quick on the backend
   * `cuda`, and only that exact: an element is off by 2⁻¹⁰ of the sum of the magnitudes of its terms for every product it
   * goes through. With dtype `float32` alone; with the backend `auto` it is a permission, used where that takes `cuda`.
   * Default false.
   */
  readonly tf32?: boolean | undefined;
  /** Default `auto`. */
  readonly backend?: BackendName | 'auto' | undefined;
  /** Threads the cost model counts on, and those used. Default: all the process may use. */
  readonly threads?: number | undefined;
}

/** How a contraction is planned and run. */
export interface ContractOptions extends PlanOptions, Control {}

/** How a contraction is planned, and which operands never change. */
export interface CompileOptions extends PlanOptions {
  /**
   * Operands that are the same in every run, by their place. Products of constants alone are computed once, at the
   * first run; the data must not change afterwards.
   */
  readonly constants?: Readonly<Record<number, Tensor>> | undefined;
}

const CHOICES = {
  cost: ['time', 'flops'],
  strategy: ['blocked', 'ttgt', 'loops'],
  dtype: ['float64', 'float32'],
} as const;

/** @throws TensimError `INVALID_ARGUMENT` naming the option, what it may be and what it is. */
export function checkOptions(options: PlanOptions): void {
  for (const [name, choices] of Object.entries(CHOICES) as [keyof typeof CHOICES, readonly string[]][]) {
    const value = options[name];
    if (value !== undefined && !choices.includes(value)) {
      throw new TensimError('INVALID_ARGUMENT', `${name} must be one of ${choices.join(', ')}, not ${String(value)}`);
    }
  }
  checkTf32({ ...options, dtype: options.dtype ?? 'float64' });
  const { memoryLimit, seed } = options;
  if (memoryLimit !== undefined && !(memoryLimit > 0)) {
    throw new TensimError(
      'INVALID_ARGUMENT',
      `memoryLimit must be a positive number of bytes, not ${String(memoryLimit)}`,
    );
  }
  if (seed !== undefined && !Number.isSafeInteger(seed)) {
    throw new TensimError('INVALID_ARGUMENT', `seed must be an integer, not ${String(seed)}`);
  }
}
