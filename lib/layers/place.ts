/** Where a part of a layer lies: a tensor of the checkpoint, or something made of it. */
export interface Place {
  readonly tensor: string;
  /** Half of its rows. */
  readonly half?: 'first' | 'second';
  /** Its transpose: an embedding whose rows are the tokens. */
  readonly transposed?: boolean;
  /** The tensor of one element e, a mean energy, by (e + 10⁻⁶)^−½ of which the part is multiplied. */
  readonly energy?: string;
}
