import { finish } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { equationError, type Place } from './equation_error.js';

/**
 * A contraction as lists of integer labels, one list per operand, for programs and for more labels than there are
 * letters. `'...'` stands for the axes that are not named, as in a string. Without `output` it is implicit: the labels
 * that occur once, in ascending order.
 *
 *     { inputs: [[0, 1], [1, 2]], output: [0, 2] }        // 'ij,jk->ik'
 */
export interface LabelLists {
  /** Labels of every operand, axis by axis. */
  readonly inputs: readonly (readonly (number | '...')[])[];
  /** Labels of the result. */
  readonly output?: readonly (number | '...')[];
}

/** An equation in the notation of numpy's einsum (`'ij,jk->ik'`), or as lists of integer labels. */
export type EquationInput = string | LabelLists;

/** A label or an ellipsis where it is written. */
export interface Token extends Place {
  /** What the label is shown as; `'...'` for the ellipsis. */
  readonly name: string;
  /** Orders the labels of an implicit output: the code point of a letter, or the integer itself. */
  readonly order: number;
  readonly ellipsis: boolean;
}

/** The labels of one operand, or of the output. */
export interface Term extends Place {
  readonly tokens: readonly Token[];
}

/** An equation as written, before it meets shapes. */
export interface ParsedEquation {
  readonly text: string;
  readonly inputs: readonly Term[];
  /** Absent if the output is implicit. */
  readonly output: Term | undefined;
}

/**
 * Reads an equation. Labels of a string are single letters of any script; blanks mean nothing.
 *
 * @throws TensimError `INVALID_EQUATION`, quoting the equation and marking the place; `INVALID_ARGUMENT` if it is
 * neither
 *   a string nor lists of labels.
 */
export function parseEquation(equation: EquationInput): ParsedEquation {
  return finish(parseSteps(equation));
}

/** The same with pauses: an equation may have a hundred thousand labels. */
export function* parseSteps(equation: EquationInput): Generator<void, ParsedEquation> {
  const parsed = yield* typeof equation === 'string' ? parseText(equation) : parseLists(equation);
  yield* checkTerms(parsed);
  return parsed;
}

/** Labels read between two pauses: about a millisecond. */
const LABELS_PER_PAUSE = 2048;

function* parseText(text: string): Generator<void, ParsedEquation> {
  const terms: Term[] = [];
  let tokens: Token[] = [];
  let start = 0;
  let arrow = false;
  const close = (at: number) => {
    terms.push({ tokens, at: start, width: at - start });
    tokens = [];
  };
  let at = 0;
  while (at < text.length) {
    const point = String.fromCodePoint(text.codePointAt(at)!);
    let width = point.length;
    if (/\p{L}/u.test(point)) {
      tokens.push({ name: point, order: point.codePointAt(0)!, ellipsis: false, at, width });
    } else if (text.startsWith('...', at)) {
      width = 3;
      tokens.push({ name: '...', order: Number.NEGATIVE_INFINITY, ellipsis: true, at, width });
    } else if (point === ',' && !arrow) {
      close(at);
      start = at + 1;
    } else if (text.startsWith('->', at) && !arrow) {
      width = 2;
      close(at);
      start = at + 2;
      arrow = true;
    } else if (!/\s/u.test(point)) {
      throw strayCharacter(text, point, { at, width }, arrow);
    }
    at += width;
    if (at % LABELS_PER_PAUSE === 0) yield;
  }
  close(text.length);
  const output = arrow ? terms.pop() : undefined;
  return { text, inputs: terms, output };
}

function strayCharacter(text: string, point: string, place: Place, arrow: boolean): TensimError {
  const [what, note] =
    point === '.'
      ? ['a "." that is not part of an ellipsis', 'an ellipsis is three dots']
      : arrow && point === ','
        ? ['an equation has one output', 'a second output begins here']
        : arrow && text.startsWith('->', place.at)
          ? ['a second "->"', 'the output has begun already']
          : [`"${point}" cannot be part of an equation`, 'not a letter, ",", "->" or "..."'];
  return equationError('INVALID_EQUATION', text, place, what, note, 'An equation looks like "ij,jk->ik"');
}

function* parseLists(lists: LabelLists): Generator<void, ParsedEquation> {
  if (lists === null || typeof lists !== 'object' || !Array.isArray(lists.inputs)) {
    throw new TensimError(
      'INVALID_ARGUMENT',
      'an equation is a string or an object { inputs, output? } of label lists',
      {
        hint: "For example 'ij,jk->ik', or { inputs: [[0, 1], [1, 2]], output: [0, 2] }",
      },
    );
  }
  // The text that errors quote is written here, so that both forms mark places in the same way.
  let text = '';
  let written = 0;
  const write = function* (labels: readonly (number | '...')[]): Generator<void, Term> {
    if (!Array.isArray(labels)) {
      throw new TensimError('INVALID_ARGUMENT', 'each operand and the output of an equation is a list of labels');
    }
    const at = text.length;
    text += '[';
    const tokens: Token[] = [];
    for (const [i, label] of labels.entries()) {
      if (++written % LABELS_PER_PAUSE === 0) yield;
      if (i > 0) text += ' ';
      const place = { at: text.length, width: String(label).length };
      text += String(label);
      if (label === '...') {
        tokens.push({ name: '...', order: Number.NEGATIVE_INFINITY, ellipsis: true, ...place });
        continue;
      }
      if (!Number.isSafeInteger(label) || label < 0) {
        const what = `the label ${String(label)} is not a non-negative integer`;
        throw equationError('INVALID_EQUATION', text, place, what, "a label is 0, 1, 2, … or '...'");
      }
      tokens.push({ name: String(label), order: label, ellipsis: false, ...place });
    }
    text += ']';
    return { tokens, at, width: text.length - at };
  };
  const inputs: Term[] = [];
  for (const [i, labels] of lists.inputs.entries()) {
    if (i > 0) text += ',';
    inputs.push(yield* write(labels));
  }
  if (lists.output === undefined) return { text, inputs, output: undefined };
  text += '->';
  const output = yield* write(lists.output);
  return { text, inputs, output };
}

function* checkTerms({ text, inputs, output }: ParsedEquation): Generator<void, void> {
  if (inputs.length === 0) throw new TensimError('INVALID_EQUATION', 'an equation needs at least one operand');
  yield;
  for (const term of output === undefined ? inputs : [...inputs, output]) {
    const second = term.tokens.filter((token) => token.ellipsis)[1];
    if (second !== undefined) {
      throw equationError(
        'INVALID_EQUATION',
        text,
        second,
        'a second ellipsis in one term',
        'an operand has one ellipsis',
      );
    }
  }
  if (output === undefined) return;
  const known = new Set<string>();
  for (const { tokens } of inputs) {
    for (const { name } of tokens) {
      known.add(name);
      if (known.size % LABELS_PER_PAUSE === 0) yield;
    }
  }
  const seen = new Set<string>();
  for (const token of output.tokens) {
    if (token.ellipsis) continue;
    if (!known.has(token.name)) {
      const what = `the output label "${token.name}" is in no operand`;
      throw equationError('INVALID_EQUATION', text, token, what, 'unknown label', 'Remove it, or add it to an operand');
    }
    if (seen.has(token.name)) {
      const what = `the output has the label "${token.name}" twice`;
      throw equationError('INVALID_EQUATION', text, token, what, 'the second time', 'An output label names one axis');
    }
    seen.add(token.name);
  }
}
