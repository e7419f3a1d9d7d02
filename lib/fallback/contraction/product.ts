import type { TensorData } from '../../tensor/tensor.js';
import type { Bundle } from './bundle.js';

/**
 * A step of a plan in one pass, with its data: out[x y z] (+)= Σ_w a[x y w] · b[x z w]. Reading an input multiplies it
 * by its scale, a power of two. Kernels are generators that yield, every millisecond or so, the index combinations done
 * since.
 */
export interface Product {
  readonly a: TensorData;
  readonly aAt: number;
  readonly aScale: number;
  readonly b: TensorData;
  readonly bAt: number;
  readonly bScale: number;
  readonly out: TensorData;
  readonly outAt: number;
  readonly batch: Bundle;
  readonly left: Bundle;
  readonly right: Bundle;
  readonly contracted: Bundle;
  readonly accumulate: boolean;
}

/** A step with one input. */
export type Reduction = Pick<Product, 'a' | 'aAt' | 'aScale' | 'out' | 'outAt' | 'batch' | 'contracted' | 'accumulate'>;

export type Work = Generator<number, void>;
