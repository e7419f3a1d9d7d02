/** Rows of a matrix; row i is a Float64Array. Square ones are symmetric to the bit. */
export type Matrix = readonly Float64Array[];

/** Two models on given inputs, beside the mean cosine of their outputs, which is the similarity. */
export interface Behaviour {
  /** How many inputs. */
  readonly inputs: number;
  /**
   * Share of places (positions of all inputs) where both have the same largest output; null for models of one output.
   */
  readonly agreement: number | null;
  /** Linear centred kernel alignment of the outputs, in [0, 1]; null where the outputs of one model do not vary. */
  readonly cka: number | null;
}

/** The same for every pair. NaN where it is null above (written as null in JSON). */
export interface BehaviourMatrix {
  /** How many inputs. */
  readonly inputs: number;
  /** Share of places where both have the same largest output. */
  readonly agreement: Matrix;
  /** Linear centred kernel alignment of the outputs. */
  readonly cka: Matrix;
}
