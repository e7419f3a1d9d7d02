import type { Cut } from '../tensor/cut.js';

/** Where a part of a layer lies: a tensor of the checkpoint, or something made of it. */
export interface Place {
  readonly tensor: string;
  /** Half of its rows. */
  readonly half?: 'first' | 'second';
  /** Its transpose: an embedding whose rows are the tokens. */
  readonly transposed?: boolean;
  /** The matrix or vector within it, in rows of outputs, where that is not all of it as it lies. */
  readonly cut?: Cut;
  /** The tensor of one element e, a mean energy, by (e + 10⁻⁶)^−½ of which the part is multiplied. */
  readonly energy?: string;
  /** The tensor by which its columns are multiplied, of one element for all or of one for each: a norm that is linear. */
  readonly gain?: string;
  /** What is made of its elements, where the layer needs other numbers than those. */
  readonly made?: Made;
}

/**
 * What is made of a tensor: `factor` times a power of each element. `vector` and `diagonal` have `size` elements, one
 * for all or each its own; with the power 0 a diagonal is the identity.
 */
export interface Made {
  readonly as: 'vector' | 'diagonal' | 'matrix';
  /** Of a vector, or of the rows and columns of a diagonal matrix. */
  readonly size?: number;
  readonly factor: number;
  readonly power: -1 | 0 | 1;
}
