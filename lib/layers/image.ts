import { valueText } from '../words/quoting.js';
import { checkCount } from './counts.js';
import type { LayerReader } from './reader.js';
import type { ShapeReport } from './shapes.js';

/* What layers of images share. An image is a vector of channels × height × width, as torch flattens it. */

/** One number for both directions, or (down, across). */
export type Pair = number | readonly [down: number, across: number];

/**
 * Elements up to which a layer of images is multiplied into its neighbours as a matrix, 256 MiB of doubles: a
 * convolution with 32 channels of a digit of 28 × 28 is below. Beyond that exact methods do not take it, and the forward
 * pass, which never makes the matrix, does.
 */
export const MOST_DENSE = 2 ** 25;

/** The fields that say where windows lie. */
export interface Windowed {
  /** Rows of an image; null: none, the channels are sequences of `width`. */
  readonly height: number | null;
  /** Columns of an image. */
  readonly width: number;
  /** Steps from window to window. */
  readonly stride: Pair | null;
  /** Rows and columns around the image. */
  readonly padding: Pair;
}

/** Where the windows of a layer lie: everything (down, across). */
export interface Windows {
  readonly input: readonly [number, number];
  readonly output: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
}

/** @param kernel of a sequence: one number. */
export function windowsOf({ height, width, stride, padding }: Windowed, kernel: Pair, dilation: Pair = 1): Windows {
  const flat = height === null;
  const pair = (value: Pair, beside: number): readonly [number, number] => {
    if (typeof value !== 'number') return value;
    return [flat ? beside : value, value];
  };
  const fields = {
    input: [height ?? 1, width] as const,
    kernel: pair(kernel, 1),
    stride: pair(stride ?? kernel, 1),
    padding: pair(padding, 0),
    dilation: pair(dilation, 1),
  };
  const output = (axis: 0 | 1) => {
    const { input, padding, dilation, kernel, stride } = fields;
    const room = input[axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1;
    return Math.floor(room / stride[axis]) + 1;
  };
  return { ...fields, output: [output(0), output(1)] };
}

/** @throws TensimError for sizes that are none, pairs for a sequence, and windows that have no room. */
export function checkWindows(layer: Windowed, kernel: Pair, dilation: Pair, report: ShapeReport): Windows {
  const { height, width, stride, padding } = layer;
  if (height !== null) checkCount('height', height, report);
  checkCount('width', width, report);
  for (const [field, value] of Object.entries({ kernel, stride: stride ?? kernel, padding, dilation })) {
    if (typeof value !== 'number' && height === null)
      report.fail(`${field} is a pair, but without a height there is one direction`);
    const numbers: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (Array.isArray(value) && value.length !== 2)
      report.fail(`${field} has ${value.length} numbers, where one, or one down and one across, would do`);
    for (const number of numbers) checkCount(field, number as number, report, field === 'padding' ? 0 : 1);
  }
  const windows = windowsOf(layer, kernel, dilation);
  if (windows.output.some((size) => size < 1))
    report.refuse(null, `its windows are larger than an image of ${sizes(windows.input)} with its padding`);
  return windows;
}

/** `28 × 28`, and a length for a sequence. */
export function sizes([down, across]: readonly [number, number]): string {
  return down === 1 ? `${across}` : `${down} × ${across}`;
}

/** A field of a model.json that is a number or a pair of them. */
export function readPair(reader: LayerReader, field: string, least: number): Pair {
  const value = reader.fields[field];
  const isCount = (one: unknown) => Number.isSafeInteger(one) && (one as number) >= least;
  if (isCount(value)) return value as number;
  if (Array.isArray(value) && value.length === 2 && value.every(isCount))
    return Object.freeze([value[0], value[1]] as const);
  const title = `${reader.title}: "${field}"`;
  return reader.fail(`${title} must be a whole number from ${least}, or two of them, not ${valueText(value)}`);
}

/** `readPair`, and a default where the field is not given. */
export function optionalPair(reader: LayerReader, field: string, least: number, otherwise: Pair): Pair {
  return reader.fields[field] === undefined ? otherwise : readPair(reader, field, least);
}
