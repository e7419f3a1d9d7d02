const SHOWN = 80;

/**
 * What is invisible, moves the cursor, turns the direction of reading or breaks a line: control characters (C0, DEL,
 * C1), formats (bidi marks, zero-width characters), line and paragraph separators, unpaired surrogates, letters and
 * marks that show nothing, and the two that XML has no place for. Variation selectors are left: they are part of emoji.
 */
const INVISIBLE =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0\ufffe\uffff]|\u034f|\u17b4|\u17b5|\u180b|\u180c|\u180d|\u180f/gu;

/** The same in any JSON, where none of them can stand outside of a string. */
const INVISIBLE_IN_JSON = new RegExp(INVISIBLE.source.replace('\\p{Cc}', '\\u007f-\\u009f'), 'gu');

/** Most texts: nothing in them has to be looked for. */
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * Everything invisible in a text spelled out, line breaks too: names from files may hold terminal escapes, bidi marks,
 * and what looks like another line. Twice is the same as once.
 */
export function oneLine(text: string): string {
  return PLAIN.test(text) ? text : text.replace(INVISIBLE, spelled);
}

/** What is invisible and neither the end of a line nor the emphasis of our own texts. */
const ACTING = new RegExp(`(?!\\n|\\u001b\\[(?:1|22)m)(?:${INVISIBLE.source})`, 'gu');

/**
 * A text that was composed here, as a terminal may have it: line breaks and our own emphasis pass, everything else that
 * is invisible is spelled out. The second wall: what goes into the text from outside is spelled out where it goes in.
 */
export function composed(text: string): string {
  return text.replace(ACTING, spelled);
}

/** Text from a file, safe to print: in quotes, shortened, on one line. */
export function quote(text: string): string {
  const short = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
  return oneLine(JSON.stringify(short));
}

/**
 * The JSON of a value with everything invisible in its strings as escapes of JSON (`\u202e`), so that it can be
 * valueText anywhere and still parses to the same value. `undefined` for what JSON has no text for.
 * @param indent of what is nested, for people; without it all is on one line.
 */
export function jsonText(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, null, indent);
  if (text === undefined || PLAIN.test(text)) return text;
  return text.replace(INVISIBLE_IN_JSON, (character) =>
    Array.from({ length: character.length }, (_, i) => `\\u${hex(character.charCodeAt(i)).padStart(4, '0')}`).join(''),
  );
}

/** Depth and length of a value of a user's file that a message shows. */
const DEEPEST = 3;
const WIDEST = 4;

/**
 * A value from outside, of whatever shape, for a message: on one line, shortened, and never followed further down than
 * a reader would.
 *
 *     valueText(['a', [[[[1]]]]])     // ["a",[[…]]]
 */
export function valueText(value: unknown): string {
  return typeof value === 'string' ? quote(value) : oneLine(within(value, DEEPEST));
}

function within(value: unknown, depth: number): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? 'a function' : String(value);
  if (value instanceof Date || value instanceof RegExp) return String(value);
  const isList = Array.isArray(value);
  const names = isList ? [...value.slice(0, WIDEST).keys()] : Object.keys(value).slice(0, WIDEST);
  const [open, close] = isList ? '[]' : '{}';
  if (names.length > 0 && depth === 0) return `${open}…${close}`;
  const parts = names.map((name) => {
    const part = within((value as Record<string | number, unknown>)[name], depth - 1);
    return isList ? part : `${quote(String(name))}:${part}`;
  });
  const rest = (isList ? value.length : Object.keys(value).length) > WIDEST ? ',…' : '';
  return `${open}${parts.join(',')}${rest}${close}`;
}

function spelled(character: string): string {
  return `\\u{${hex(character.codePointAt(0)!)}}`;
}

function hex(code: number): string {
  return code.toString(16);
}
