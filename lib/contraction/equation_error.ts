import { TensimError, type TensimErrorCode } from '../errors.js';
import { oneLine } from '../words/quoting.js';

/** Where in the text of an equation something is wrong: UTF-16 position and length. */
export interface Place {
  readonly at: number;
  readonly width: number;
}

/** Code points of the equation shown on either side of the place; longer equations are cut with "…". */
const WINDOW = 60;

/**
 * An error that quotes the equation and marks a place in it:
 *
 *     the output label "z" is in no operand
 *         hi,ki->hz
 *                 ^ not in any operand. Remove it, or add it to an operand
 */
export function equationError(
  code: TensimErrorCode,
  text: string,
  place: Place,
  what: string,
  note: string,
  hint?: string,
): TensimError {
  // Anything that is not plain text (tabs, newlines, control characters) would move the caret: show it as a blank.
  const plain = (part: string) => [...part].map((point) => (/[\p{Z}\p{C}]/u.test(point) ? ' ' : point));
  const before = plain(text.slice(0, place.at));
  const marked = plain(text.slice(place.at, place.at + place.width)).slice(0, WINDOW);
  const after = plain(text.slice(place.at + place.width));
  const head = before.length > WINDOW ? ['…', ...before.slice(1 - WINDOW)] : before;
  const tail = after.length > WINDOW ? [...after.slice(0, WINDOW - 1), '…'] : after;
  const quoted = [...head, ...marked, ...tail].join('');
  const caret = `${' '.repeat(head.length)}${'^'.repeat(Math.max(1, marked.length))} ${note}`;
  const error = new TensimError(
    code,
    `${oneLine(what)}\n    ${quoted}\n    ${caret}`,
    hint === undefined ? {} : { hint },
  );
  quoting.add(error);
  return error;
}

/** Known by themselves: a message that only looks like one of theirs may be made of a name from outside. */
const quoting = new WeakSet<TensimError>();

/** Whether an error quotes an equation on lines of its own. */
export function quotesEquation(error: TensimError): boolean {
  return quoting.has(error);
}
