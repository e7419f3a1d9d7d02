/* Shapes of the value that goes through a graph: which of its axes are features, and what becomes of them. */

/** Extents of axes; null: any number, as of a batch. */
export type Shape = readonly (number | null)[];

/** All features of a shape. */
export const featuresOf = (shape: Shape): number =>
  shape.reduce<number>((product, extent) => product * (extent ?? 1), 1);

/**
 * What an input is, whose first axis is a batch if it is more than one of several. A lone axis, or one before nothing but
 * ones, has the features.
 */
export function inputShape(shape: Shape): Shape {
  const [first, ...others] = shape;
  const isBatch = typeof first === 'number' && first > 1 && others.some((extent) => extent !== 1);
  return isBatch && !others.includes(null) ? [null, ...others] : shape;
}

/** The number of an axis from the front; undefined where there is none. */
export function axisOf(axis: number, rank: number): number | undefined {
  const at = axis < 0 ? axis + rank : axis;
  return Number.isInteger(at) && at >= 0 && at < rank ? at : undefined;
}

/** One axis for those before, and one for those behind; undefined where features would join the batch. */
export function flattened(shape: Shape, axis: number): Shape | undefined {
  const at = axis === shape.length ? axis : axisOf(axis, shape.length);
  if (at === undefined) return undefined;
  const sides = [shape.slice(0, at), shape.slice(at)];
  const mixed = sides.some((side) => side.includes(null) && featuresOf(side) > 1);
  return mixed ? undefined : sides.map((side) => (side.includes(null) ? null : featuresOf(side)));
}

/**
 * The shape with the same features in the same order; undefined where it has not. An extent of 0 is copied, −1 takes
 * what is left, and null is a number that was asked of an axis of any length.
 */
export function reshaped(shape: Shape, target: Shape): Shape | undefined {
  const features = featuresOf(shape);
  const copied = target.map((extent, axis) => (extent === 0 ? shape[axis] : extent));
  if (copied.includes(undefined as never) || copied.some((extent) => extent !== null && extent < -1)) return undefined;
  const open = copied.indexOf(-1);
  if (open !== copied.lastIndexOf(-1)) return undefined;
  const known = featuresOf(copied.filter((extent) => extent !== -1));
  if (open < 0) return known === features ? copied : undefined;
  const batches = (one: Shape) => one.filter((extent) => extent === null).length;
  const isBatch = known === features && batches(copied) < batches(shape);
  const rest = isBatch ? null : features / known;
  return rest === null || Number.isInteger(rest) ? copied.with(open, rest) : undefined;
}

/** The axes in another order; undefined where that moves features. */
export function permuted(shape: Shape, order: readonly number[]): Shape | undefined {
  const isOrder = order.length === shape.length && new Set(order).size === order.length;
  if (!isOrder || !order.every((axis) => axisOf(axis, shape.length) === axis)) return undefined;
  const moved = order.filter((axis) => (shape[axis] ?? 0) > 1);
  return moved.every((axis, i) => i === 0 || moved[i - 1] < axis) ? order.map((axis) => shape[axis]) : undefined;
}

/** Without axes of one element, those named or all; undefined where one named has more. */
export function squeezed(shape: Shape, axes: readonly number[] | undefined): Shape | undefined {
  const gone =
    axes?.map((axis) => axisOf(axis, shape.length)) ?? shape.flatMap((extent, i) => (extent === 1 ? [i] : []));
  if (!gone.every((axis) => axis !== undefined && shape[axis] === 1)) return undefined;
  return shape.filter((_, axis) => !gone.includes(axis));
}

/** With axes of one element where they are named; undefined where they cannot be. */
export function unsqueezed(shape: Shape, axes: readonly number[]): Shape | undefined {
  const rank = shape.length + axes.length;
  const added = new Set(axes.map((axis) => axisOf(axis, rank)));
  if (added.size !== axes.length || added.has(undefined)) return undefined;
  const left = [...shape];
  return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (left.shift() as number | null)));
}

/**
 * The shape of a value that meets a constant element by element, each feature with an element of its own or all with the
 * only one; undefined where it does so in another way.
 */
export function met(shape: Shape, constant: readonly number[]): Shape | undefined {
  const rank = Math.max(shape.length, constant.length);
  const padded = [...Array<number>(rank - shape.length).fill(1), ...shape];
  const size = featuresOf(constant);
  if (size === 1) return padded;
  const before = rank - constant.length;
  const fits = constant.every((extent, i) => extent === 1 || extent === padded[before + i]);
  return fits && size === featuresOf(padded) ? padded : undefined;
}
