/**
 * What a pattern for paths is made of. `leads` of a character: it may be the first of a name, so that a dot there is
 * meant.
 */
export type Element =
  | { readonly kind: 'character'; readonly value: string; readonly leads: boolean }
  | { readonly kind: 'set'; readonly has: (character: string) => boolean }
  | { readonly kind: 'one' | 'any' | 'folders' | 'below' }
  | { readonly kind: 'alternatives'; readonly alternatives: readonly (readonly Element[])[] };

/** Numbers of one range: more steps than any run keeps. */
const MOST_IN_RANGE = 2000;

/** Reads a pattern; every text is one, see `PathPattern`. */
export function parsePattern(text: string): Element[] {
  return new Parser(text).elements(0, text.length, true).found;
}

class Parser {
  readonly #text: string;
  /** Where each brace that is open is closed. */
  readonly #closing = new Map<number, number>();
  /** The commas between the alternatives of a brace. */
  readonly #commas = new Map<number, number[]>();

  constructor(text: string) {
    this.#text = text;
    const open: number[] = [];
    for (let at = 0; at < text.length; at++) {
      if (text[at] === '[') at = closingBracket(text, at) ?? at;
      else if (text[at] === '{') open.push(at);
      else if (text[at] === ',' && open.length > 0) this.#commasOf(open.at(-1) as number).push(at);
      else if (text[at] === '}' && open.length > 0) this.#closing.set(open.pop() as number, at);
    }
  }

  /** @param leads whether what comes first is the first of a name; `leads` of the result, whether what follows is */
  elements(from: number, to: number, leads: boolean): { found: Element[]; leads: boolean } {
    const text = this.#text;
    const found: Element[] = [];
    let first = leads;
    for (let at = from; at < to; ) {
      const character = String.fromCodePoint(text.codePointAt(at) as number);
      if (character === '*') {
        const start = at;
        while (at < to && text[at] === '*') at++;
        const whole = first && at - start > 1;
        const kind = whole && at === to ? 'below' : whole && text[at] === '/' ? 'folders' : 'any';
        if (kind === 'folders') at++;
        first = kind === 'folders';
        found.push({ kind });
        continue;
      }
      const bracket = character === '[' ? closingBracket(text, at) : undefined;
      const brace = character === '{' ? this.#braces(at, first) : undefined;
      if (bracket !== undefined && bracket < to) {
        found.push({ kind: 'set', has: characterSet(text.slice(at + 1, bracket)) });
        at = bracket + 1;
        first = false;
      } else if (brace !== undefined) {
        found.push({ kind: 'alternatives', alternatives: brace.alternatives });
        at = brace.end;
        first = brace.leads;
      } else {
        found.push(character === '?' ? { kind: 'one' } : { kind: 'character', value: character, leads: first });
        at += character.length;
        first = character === '/';
      }
    }
    return { found, leads: first };
  }

  #braces(open: number, leads: boolean): { alternatives: Element[][]; end: number; leads: boolean } | undefined {
    const close = this.#closing.get(open);
    if (close === undefined) return undefined;
    const commas = this.#commas.get(open) ?? [];
    if (commas.length === 0) {
      const names = range(this.#text.slice(open + 1, close));
      if (names === undefined) return undefined;
      const alternatives = names.map((name) =>
        [...name].map((value, i): Element => ({ kind: 'character', value, leads: leads && i === 0 })),
      );
      return { alternatives, end: close + 1, leads: false };
    }
    const ends = [...commas, close];
    const parts = ends.map((end, i) => this.elements(i === 0 ? open + 1 : (ends[i - 1] as number) + 1, end, leads));
    return {
      alternatives: parts.map(({ found }) => found),
      end: close + 1,
      leads: parts.some((part) => part.leads),
    };
  }

  #commasOf(open: number): number[] {
    const commas = this.#commas.get(open) ?? [];
    this.#commas.set(open, commas);
    return commas;
  }
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
