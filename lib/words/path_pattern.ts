import { TensimError } from '../errors.js';
import { count } from './counts.js';
import { type Element, parsePattern } from './pattern_syntax.js';

/** Characters of a pattern, and steps of the machine it becomes: far above any that people write. */
const MOST_CHARACTERS = 2048;
const MOST_STEPS = 8192;

/** A step of the machine: what it takes from a name, and where it goes on, to either place where there are two. */
interface Step {
  readonly takes: ((character: string, leads: boolean) => boolean) | undefined;
  next: number;
  other: number;
}

const NOWHERE = -1;

/**
 * A pattern for paths with slashes, matched in time that grows with pattern times path and no faster, whatever is in
 * them: all ways to match are followed at once, and none is tried again.
 *
 *     *         any characters of one folder or file name
 *     **        as a whole name: any number of folders, or none
 *     ?         one character
 *     [a-z0]    one of these; [!a-z] or [^a-z] one of the others
 *     {a,b}     one of these, which may be patterns; {1..20} one of these numbers, {01..20} with zeros, {a..e} letters
 *
 * A name that begins with a dot is matched only where the pattern has that dot. Anything else stands for itself:
 * parentheses, `!`, `+` and `@` too, and brackets and braces that are not closed.
 */
export class PathPattern {
  readonly #steps: Step[] = [];
  readonly #start: number;
  /** Whether it has anything in it that stands for more than itself. */
  readonly isLiteral: boolean;
  /** The folder that all matches are below, as it is written before the first name with a pattern in it. */
  readonly base: string;

  /** @throws TensimError `INVALID_ARGUMENT` for a pattern that is too long, or stands for too much */
  constructor(text: string) {
    if (text.length > MOST_CHARACTERS) throw tooLarge(text.length, 'characters', MOST_CHARACTERS);
    const elements = parsePattern(text);
    this.isLiteral = elements.every(({ kind }) => kind === 'character');
    const before = text.slice(0, text.search(/[*?[{]|$/));
    this.base = this.isLiteral ? text : before.slice(0, Math.max(0, before.lastIndexOf('/')));
    this.#start = this.#compile(elements, this.#add(undefined));
  }

  /** How much work a character of a name is at most. */
  get size(): number {
    return this.#steps.length;
  }

  matches(path: string): boolean {
    let now = this.#reached([this.#start]);
    let leads = true;
    for (const character of path) {
      const next: number[] = [];
      for (const at of now) {
        const { takes, next: after } = this.#steps[at] as Step;
        if (takes?.(character, leads)) next.push(after);
      }
      if (next.length === 0) return false;
      now = this.#reached(next);
      leads = character === '/';
    }
    return now.has(END);
  }

  /** The steps that are reached from others without taking anything. */
  #reached(from: readonly number[]): Set<number> {
    const reached = new Set<number>();
    const waiting = [...from];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (at === NOWHERE || reached.has(at)) continue;
      reached.add(at);
      const { takes, next, other } = this.#steps[at] as Step;
      if (takes === undefined) waiting.push(next, other);
    }
    return reached;
  }

  #add(takes: Step['takes'], next = NOWHERE, other = NOWHERE): number {
    if (this.#steps.length >= MOST_STEPS) throw tooLarge(MOST_STEPS + 1, 'alternatives and characters', MOST_STEPS);
    return this.#steps.push({ takes, next, other }) - 1;
  }

  /** Compiles from the end, so that each step knows where it goes on; returns the first one. */
  #compile(elements: readonly Element[], after: number): number {
    return elements.reduceRight((next, element) => this.#compileOne(element, next), after);
  }

  #compileOne(element: Element, next: number): number {
    switch (element.kind) {
      case 'character': {
        const { value, leads: first } = element;
        return this.#add((character, leads) => character === value && (first || !hidden(character, leads)), next);
      }
      case 'set':
        return this.#add((character, leads) => inName(character, leads) && element.has(character), next);
      case 'one':
        return this.#add(inName, next);
      case 'any':
        return this.#loop(inName, next);
      case 'folders': {
        // A name and a slash, any number of times.
        const again = this.#add(undefined, next);
        const slash = this.#add((character) => character === '/', again);
        const name = this.#add(inName);
        const more = this.#add(undefined, name, slash);
        this.#steps[name]!.next = more;
        this.#steps[again]!.other = name;
        return again;
      }
      case 'below':
        return this.#loop((character, leads) => character === '/' || inName(character, leads), next);
      case 'alternatives':
        return element.alternatives
          .map((alternative) => this.#compile(alternative, next))
          .reduceRight((other, start) => this.#add(undefined, start, other), NOWHERE);
    }
  }

  #loop(takes: Step['takes'], next: number): number {
    const again = this.#add(undefined, next);
    this.#steps[again]!.other = this.#add(takes, again);
    return again;
  }
}

/** The first step that is made: a name that has reached it when it ends is matched. */
const END = 0;

const hidden = (character: string, leads: boolean): boolean => leads && character === '.';
const inName = (character: string, leads: boolean): boolean => character !== '/' && !hidden(character, leads);

function tooLarge(value: number, what: string, most: number): TensimError {
  return new TensimError(
    'INVALID_ARGUMENT',
    `the pattern has ${count(value)} ${what}, at most ${count(most)} are read`,
    {
      hint: 'Give several patterns, or a folder',
    },
  );
}
