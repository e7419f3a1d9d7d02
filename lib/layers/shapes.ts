/** The shape of a part, without its numbers; a tensor is one. */
export interface ShapeOnly {
  readonly shape: readonly number[];
}

/** A part of a layer by its name (of the tensor in its file, or of its role) and its shape. */
export interface NamedShape extends ShapeOnly {
  readonly name: string;
}

/**
 * How a kind of layer reports, while a chain is checked, what does not fit. Both name the layer, and the file if there
 * is one.
 */
export interface ShapeReport {
  /** A part that does not fit, or a layer without parts. @throws TensimError `SHAPE_MISMATCH` naming it. */
  refuse(part: NamedShape | null, problem: string): never;
  /** A number of the layer that cannot be right. @throws TensimError `INVALID_ARGUMENT`. */
  fail(problem: string): never;
}

/** The sizes of a part that must be a matrix with elements. */
export function matrixShape(part: NamedShape, report: ShapeReport): [rows: number, columns: number] {
  const [rows, columns] = part.shape;
  if (rows === undefined || columns === undefined || part.shape.length !== 2)
    return report.refuse(part, `has shape ${shown(part)}, but a weight has two axes, (outputs, inputs)`);
  if (rows === 0 || columns === 0) report.refuse(part, `has shape ${shown(part)} and so no elements`);
  return [rows, columns];
}

/** Checks the bias, if there is one, of a matrix with so many rows. */
export function checkBias(bias: NamedShape | undefined, length: number, owner: NamedShape, report: ShapeReport): void {
  if (bias === undefined || (bias.shape.length === 1 && bias.shape[0] === length)) return;
  report.refuse(bias, `has shape ${shown(bias)}, but the bias of "${owner.name}" ${shown(owner)} must be [${length}]`);
}

export const shown = ({ shape }: ShapeOnly): string => `[${shape.join(', ')}]`;
