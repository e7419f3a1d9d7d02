import type { TensorData } from '../../lib/tensor/tensor.js';
import type { Timed } from '../turns.js';

/** One way of computing an instance. */
export interface Contestant extends Timed {
  readonly engine: 'native' | 'fallback' | 'numpy';
  /** A strategy of ours, or a function of numpy. */
  readonly method: string;
  /** Computes once, and tells how far the result is from the expected one, relative to its largest magnitude. */
  check(expected: TensorData): Promise<number>;
}
