import { valueText } from '../words/quoting.js';
import { type NamedShape, type ShapeReport, shown } from './shapes.js';

/* Checks of fields that are numbers, and of parts that are vectors. */

/** ε keeps roots and divisions from zero: it is a number from 0. */
export function checkEpsilon(epsilon: number, report: Pick<ShapeReport, 'fail'>): void {
  if (!(Number.isFinite(epsilon) && epsilon >= 0)) report.fail(`epsilon is ${valueText(epsilon)}, not a number from 0`);
}

/** A field that counts something. */
export function checkCount(field: string, value: number, report: Pick<ShapeReport, 'fail'>, least = 1): void {
  if (!Number.isSafeInteger(value) || value < least)
    report.fail(`${field} is ${valueText(value)}, not a whole number from ${least}`);
}

/** A part that has one number for each of `length` things. */
export function checkVector(part: NamedShape, length: number, things: string, report: ShapeReport): void {
  if (part.shape.length !== 1 || part.shape[0] !== length || length === 0)
    report.refuse(part, `has shape ${shown(part)}, but ${length} ${things} need [${length}]`);
}
