/**
 * What a pattern for paths is made of. `leads` of a character: it may be the first of a name, so that a dot there is
 * meant.
 */
export type Element =
  | { readonly kind: 'character'; readonly value: string; readonly leads: boolean }
  | { readonly kind: 'set'; readonly has: (character: string) => boolean }
  | { readonly kind: 'one' | 'any' | 'folders' | 'below' }
  | { readonly kind: 'alternatives'; readonly times: Times; readonly alternatives: readonly (readonly Element[])[] };

/** How often one of some alternatives is there; `none`: what is there is none of them. */
export type Times = 'once' | 'maybe' | 'any' | 'some' | 'none';

/** What stands before parentheses whose alternatives are meant. */
const TIMES: Readonly<Record<string, Times>> = { '@': 'once', '?': 'maybe', '*': 'any', '+': 'some', '!': 'none' };

/** Numbers of one range: more steps than any run keeps. */
const MOST_IN_RANGE = 2000;

/** Reads a pattern; every text is one, see `PathPattern`. */
export function parsePattern(text: string): Element[] {
  return new Parser(text).elements(0, text.length, true).found;
}

class Parser {
  readonly #text: string;
  /** Where each brace, or parenthesis around alternatives, that is open is closed. */
  readonly #closing: ReadonlyMap<number, number>;
  /** The commas or strokes between their alternatives, by where they are opened. */
  readonly #between = new Map<number, number[]>();

  constructor(text: string) {
    this.#text = text;
    this.#closing = closings(text);
    const open: number[] = [];
    for (const at of places(text)) {
      const inside = open.at(-1);
      if (this.#closing.has(at)) open.push(at);
      else if (inside === undefined) continue;
      else if (this.#closing.get(inside) === at) open.pop();
      else if (text[at] === (text[inside] === '{' ? ',' : '|'))
        this.#between.set(inside, [...(this.#between.get(inside) ?? []), at]);
    }
  }

  /** @param leads whether what comes first is the first of a name; `leads` of the result, whether what follows is */
  elements(from: number, to: number, leads: boolean): { found: Element[]; leads: boolean } {
    const text = this.#text;
    const found: Element[] = [];
    let first = leads;
    for (let at = from; at < to; ) {
      const character = String.fromCodePoint(text.codePointAt(at) as number);
      const group = this.#group(at, first);
      if (group !== undefined) {
        found.push(group.element);
        at = group.end;
        first = group.leads;
        continue;
      }
      if (character === '*') {
        const start = at;
        while (at < to && text[at] === '*' && !(at > start && this.#closing.has(at + 1) && text[at + 1] === '(')) at++;
        const whole = first && at - start > 1;
        const kind = whole && at === to ? 'below' : whole && text[at] === '/' ? 'folders' : 'any';
        if (kind === 'folders') at++;
        first = kind === 'folders';
        found.push({ kind });
        continue;
      }
      const bracket = character === '[' ? closingBracket(text, at) : undefined;
      if (bracket !== undefined && bracket < to) {
        found.push({ kind: 'set', has: characterSet(text.slice(at + 1, bracket)) });
        at = bracket + 1;
        first = false;
        continue;
      }
      const escaped = character === '\\' && at + 1 < to;
      const value = escaped ? String.fromCodePoint(text.codePointAt(at + 1) as number) : character;
      found.push(character === '?' ? { kind: 'one' } : { kind: 'character', value, leads: first });
      at += (escaped ? 1 : 0) + value.length;
      first = value === '/';
    }
    return { found, leads: first };
  }

  /** The alternatives that begin here, in braces or in parentheses. */
  #group(at: number, leads: boolean): { element: Element; end: number; leads: boolean } | undefined {
    const text = this.#text;
    const before = text[at + 1] === '(' ? TIMES[text[at] as string] : undefined;
    const open = before === undefined ? at : at + 1;
    const close = this.#closing.get(open);
    if (close === undefined) return undefined;
    const between = this.#between.get(open) ?? [];
    if (text[open] === '{' && between.length === 0) {
      const alternatives = range(text.slice(open + 1, close))?.map((name) =>
        [...name].map((value, i): Element => ({ kind: 'character', value, leads: leads && i === 0 })),
      );
      if (alternatives === undefined) return undefined;
      return { element: { kind: 'alternatives', times: 'once', alternatives }, end: close + 1, leads: false };
    }
    const ends = [...between, close];
    const parts = ends.map((end, i) => this.elements(i === 0 ? open + 1 : (ends[i - 1] as number) + 1, end, leads));
    const alternatives = parts.map(({ found }) => found);
    const element: Element = { kind: 'alternatives', times: before ?? 'once', alternatives };
    return { element, end: close + 1, leads: parts.some((part) => part.leads) };
  }
}

/** The places of a pattern that can mean something: not in sets, and not behind a backslash. */
function* places(text: string): Generator<number> {
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '[') at = closingBracket(text, at) ?? at;
    else yield at;
  }
}

/**
 * Where what is open is closed: braces, and parentheses that choose, with a mark before them or a stroke between what
 * is in them.
 */
function closings(text: string): Map<number, number> {
  const closing = new Map<number, number>();
  const open: { at: number; chooses: boolean }[] = [];
  const count: Record<string, number> = { '{': 0, '(': 0 };
  for (const at of places(text)) {
    const character = text[at] as string;
    if (character === '{' || character === '(') {
      open.push({ at, chooses: character === '{' || Object.hasOwn(TIMES, text[at - 1] ?? '') });
      count[character] = (count[character] as number) + 1;
    } else if (character === '|' && text[open.at(-1)?.at ?? -1] === '(')
      (open.at(-1) as { chooses: boolean }).chooses = true;
    const opener = character === '}' ? '{' : character === ')' ? '(' : undefined;
    if (opener === undefined || count[opener] === 0) continue;
    for (let last = open.pop(); last !== undefined; last = open.pop()) {
      const opened = text[last.at] as string;
      count[opened] = (count[opened] as number) - 1;
      if (opened !== opener) continue;
      if (last.chooses) closing.set(last.at, at);
      break;
    }
  }
  return closing;
}

/** The bracket that closes a set; one that comes first is a member of it. */
function closingBracket(text: string, open: number): number | undefined {
  const from = /^\[[!^]?\]?/.exec(text.slice(open, open + 3))?.[0].length ?? 1;
  const close = text.indexOf(']', open + from);
  return close === -1 ? undefined : close;
}

function characterSet(inside: string): (character: string) => boolean {
  const others = /^[!^]/.test(inside);
  const ranges: [from: number, to: number][] = [];
  for (const [, from, to] of inside.slice(others ? 1 : 0).matchAll(/(.)(?:-(.))?/gsu))
    ranges.push([codeOf(from as string), codeOf(to ?? (from as string))]);
  return (character) => ranges.some(([from, to]) => from <= codeOf(character) && codeOf(character) <= to) !== others;
}

const codeOf = (character: string): number => character.codePointAt(0) as number;

/** `1..20`, with zeros in front of either end to the width of both, or `a..e`. */
function range(inside: string): string[] | undefined {
  const [, from, to] = /^(\d{1,15}|[a-z])\.\.(\d{1,15}|[a-z])$/i.exec(inside) ?? [];
  if (from === undefined || to === undefined || /\d/.test(from) !== /\d/.test(to)) return undefined;
  const letters = !/\d/.test(from);
  const [first, last] = letters ? [codeOf(from), codeOf(to)] : [Number(from), Number(to)];
  const length = Math.abs(last - first) + 1;
  if (length > MOST_IN_RANGE) return undefined;
  const width = /^0\d/.test(from) || /^0\d/.test(to) ? Math.max(from.length, to.length) : 1;
  return Array.from({ length }, (_, i) => {
    const code = first + (last < first ? -i : i);
    return letters ? String.fromCodePoint(code) : String(code).padStart(width, '0');
  });
}
