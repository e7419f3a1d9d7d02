/** How a weight is stored that was quantised, and decoded to be read. */
export interface Quantised {
  /** `Q4_K`, `GPTQ int4`, `AWQ int4`, `nf4`, `fp8`, … as people call it. */
  readonly format: string;
  /** Rows and columns of the decoded (out, in) matrix that share a scale; of GGUF [1, 32] or [1, 256]. */
  readonly block: readonly [rows: number, columns: number];
  /**
   * How many columns of a block have a factor of their own, and an offset where blocks have one, in few bits: multiples
   * of what the block says; absent where the whole block has one.
   */
  readonly inner?: number;
  /** What an element may be before its block's scale, ascending: −8 … 7, the 16 of nf4, the values of E4M3. */
  readonly levels: Float64Array;
  /** Scales are powers of two, as those of microscaling formats; else absent. */
  readonly powers?: boolean;
  /** Whether a block has an offset of its own beside the scale. */
  readonly offset: boolean;
  /** Names of the stored tensors that it is made of. */
  readonly stored: readonly string[];
  /**
   * The columns that share a scale do not lie beside each other (those of GPTQ in the order of activations), so that
   * errors by blocks cannot be told from the matrix; else absent.
   */
  readonly scattered?: true;
}
