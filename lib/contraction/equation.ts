import { finish } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { largest } from '../extremes.js';
import { count, plural } from '../words/counts.js';
import { equationError } from './equation_error.js';
import type { ParsedEquation, Term } from './parse.js';

/**
 * An equation bound to shapes. Labels are the integers 0, 1, 2, … that index `sizes` and `names`; an ellipsis has been
 * replaced by labels of its own.
 */
export interface Equation {
  /** As written, for messages. */
  readonly text: string;
  /** One label per axis of each operand. A label may repeat within an operand: its diagonal is meant. */
  readonly inputs: readonly (readonly number[])[];
  /** Distinct labels. */
  readonly output: readonly number[];
  readonly shapes: readonly (readonly number[])[];
  /** Extent of each label. An axis of extent 1 stretches to it, as in numpy. */
  readonly sizes: readonly number[];
  readonly names: readonly string[];
}

/**
 * Gives each axis its label and each label its size, by numpy's rules:
 *
 * - An ellipsis stands for the axes an operand has beyond its labels. These align from the right and come first in an
 *   implicit output. An explicit output must have an ellipsis if any axis is covered by one.
 * - Between operands an axis of extent 1 stretches to the extent the label has elsewhere. Within one operand (`'ii'`)
 *   the
 *   extents must be the same.
 *
 *     bindEquation(parseEquation('...ij,jk'), [[2, 3, 4], [4, 5]])     // output: the ellipsis, i, k: shape [2, 3, 5]
 *
 * @throws TensimError `INVALID_EQUATION` or `SHAPE_MISMATCH`, quoting the equation and marking the place;
 * `INVALID_ARGUMENT` for an operand of more elements than a number can say.
 */
export function bindEquation(parsed: ParsedEquation, shapes: readonly (readonly number[])[]): Equation {
  return finish(bindSteps(parsed, shapes));
}

/** The same with pauses: an equation may have a hundred thousand labels. */
export function* bindSteps(parsed: ParsedEquation, shapes: readonly (readonly number[])[]): Generator<void, Equation> {
  const { text } = parsed;
  checkCount(parsed, shapes.length);
  const covered = largest(
    parsed.inputs.map((term, i) => coveredAxes(text, term, shapes[i], i)),
    0,
  );
  const names: string[] = [];
  const numbers = new Map<string, number>();
  const labelOf = (name: string) => {
    let label = numbers.get(name);
    if (label === undefined) {
      label = names.push(name) - 1;
      numbers.set(name, label);
    }
    return label;
  };
  const ellipsis = Array.from({ length: covered }, (_, i) => labelOf(`…${i}`));
  const sizes: number[] = ellipsis.map(() => 1);
  const inputs: number[][] = [];
  let bound = 0;
  for (const [operand, term] of parsed.inputs.entries()) {
    const shape = shapes[operand];
    const own = coveredAxes(text, term, shape, operand);
    const labels: number[] = [];
    const first = new Map<number, number>();
    for (const token of term.tokens) {
      const places = token.ellipsis ? ellipsis.slice(covered - own) : [labelOf(token.name)];
      for (const label of places) {
        const extent = shape[labels.length];
        const known = sizes[label] ?? 1;
        const earlier = first.get(label);
        if (earlier !== undefined ? shape[earlier] !== extent : extent !== known && extent !== 1 && known !== 1) {
          const other = earlier !== undefined ? shape[earlier] : known;
          const what = token.ellipsis
            ? `the axes covered by "..." do not broadcast: ${other} and ${extent}`
            : `the label "${token.name}" has two sizes: ${other} and ${extent}`;
          const note = `operand ${operand} has shape [${shape.join(', ')}]`;
          throw equationError('SHAPE_MISMATCH', text, token, what, note, 'Axes with one label have one extent, or 1');
        }
        sizes[label] = known === 1 ? extent : known;
        if (earlier === undefined) first.set(label, labels.length);
        labels.push(label);
      }
      if (++bound % LABELS_PER_PAUSE === 0) yield;
    }
    checkElements(shape, operand);
    inputs.push(labels);
  }
  yield;
  const output = outputLabels(parsed, ellipsis, labelOf);
  return { text, inputs, output, shapes, sizes, names };
}

/** The shape of the result. */
export function outputShape(equation: Equation): number[] {
  return equation.output.map((label) => equation.sizes[label]);
}

/** Labels as text; a name of several characters is put in parentheses: `ab`, `0(12)3`. */
export function labelText(labels: Iterable<number>, names: readonly string[]): string {
  return [...labels].map((label) => ([...names[label]].length === 1 ? names[label] : `(${names[label]})`)).join('');
}

/** @throws TensimError `INVALID_ARGUMENT` where no number says how many elements an operand has. */
function checkElements(shape: readonly number[], operand: number): void {
  let size = 1;
  for (const extent of shape) size *= extent;
  if (size < Number.POSITIVE_INFINITY || shape.includes(0)) return;
  const message = `operand ${operand} has ${count(shape.length)} axes, and more elements than a number can say`;
  throw new TensimError('INVALID_ARGUMENT', message, { hint: 'Axes of extent 1 do no harm; others multiply' });
}

/** Labels bound between two pauses: about a millisecond. */
const LABELS_PER_PAUSE = 2048;

function checkCount({ text, inputs }: ParsedEquation, given: number): void {
  if (given === inputs.length) return;
  const term = inputs[Math.min(given, inputs.length - 1)];
  const place = { at: term.at, width: term.width };
  const what = `the equation has ${inputs.length} ${plural(inputs.length, 'operand')}, ${given} given`;
  const note = given < inputs.length ? `no operand ${given} for this` : 'no operand after this one';
  throw equationError('INVALID_ARGUMENT', text, place, what, note, 'Give one operand per comma-separated term');
}

/** How many axes of an operand its ellipsis covers. */
function coveredAxes(text: string, term: Term, shape: readonly number[], operand: number): number {
  const ellipsis = term.tokens.some((token) => token.ellipsis);
  const named = term.tokens.length - (ellipsis ? 1 : 0);
  if (ellipsis ? shape.length >= named : shape.length === named) return shape.length - named;
  const axes = (count: number) => `${count} ${plural(count, 'axis', 'axes')}`;
  const what = `operand ${operand} has ${axes(shape.length)}, its term names ${ellipsis ? 'at least ' : ''}${named}`;
  const note = `shape [${shape.join(', ')}]`;
  const hint =
    shape.length > named ? 'Name every axis, or cover the rest with "..."' : 'Remove labels, or reshape the operand';
  throw equationError('SHAPE_MISMATCH', text, term, what, note, hint);
}

function outputLabels(
  parsed: ParsedEquation,
  ellipsis: readonly number[],
  labelOf: (name: string) => number,
): number[] {
  if (parsed.output !== undefined) {
    if (ellipsis.length > 0 && !parsed.output.tokens.some((token) => token.ellipsis)) {
      const what = `the output leaves out "...", which covers ${ellipsis.length === 1 ? 'an axis' : `${ellipsis.length} axes`}`;
      const hint = 'Add "..." to the output, or name the axes to sum them';
      throw equationError('INVALID_EQUATION', parsed.text, parsed.output, what, 'no ellipsis here', hint);
    }
    return parsed.output.tokens.flatMap((token) => (token.ellipsis ? ellipsis : [labelOf(token.name)]));
  }
  const count = new Map<string, { order: number; times: number }>();
  for (const token of parsed.inputs.flatMap((term) => term.tokens)) {
    if (token.ellipsis) continue;
    const entry = count.get(token.name);
    if (entry === undefined) count.set(token.name, { order: token.order, times: 1 });
    else entry.times++;
  }
  const once = [...count].filter(([, { times }]) => times === 1).sort(([, a], [, b]) => a.order - b.order);
  return [...ellipsis, ...once.map(([name]) => labelOf(name))];
}
