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
  /** The first and the last step of what must not lie between this step and the next. */
  readonly denied?: readonly [first: number, last: number];
}

/** Where a pattern has come to within a path. */
export interface Reached {
  readonly steps: ReadonlySet<number>;
  /** What has been begun since steps that deny something. */
  readonly denying: readonly { readonly step: number; readonly inside: Reached }[];
}

const NOWHERE = -1;
/** Steps of patterns that deny something, for which the work grows with the square of a name. */
const MOST_DENYING = 512;

/**
 * A pattern for paths with slashes, matched in time that grows with pattern times path and no faster, whatever is in
 * them: all ways to match are followed at once, and none is tried again.
 *
 *     *         any characters of one folder or file name
 *     **        as a whole name: any number of folders, or none
 *     ?         one character
 *     [a-z0]    one of these; [!a-z] or [^a-z] one of the others
 *     {a,b}     one of these, which may be patterns; {1..20} one of these numbers, {01..20} with zeros, {a..e} letters
 *     @(a|b)    one of these, as is (a|b); ?(a|b) or none, +(a|b) one or more, *(a|b) any number, !(a|b) anything else
 *     \\*        the character behind the backslash
 *
 * A name that begins with a dot is matched only where the pattern has that dot. Anything else stands for itself: marks
 * without parentheses, parentheses without a mark or a stroke, and what is open and never closed.
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
    const literal = literalStart(elements);
    const before = literal.slice(0, literal.search(/[*?[{]|$/));
    this.base = this.isLiteral ? literal : before.slice(0, Math.max(0, before.lastIndexOf('/')));
    this.#start = this.#compile(elements, this.#add(undefined));
    if (this.size > MOST_DENYING && this.#steps.some(({ denied }) => denied !== undefined))
      throw tooLarge(this.size, 'alternatives and characters beside a "!(…)"', MOST_DENYING);
  }

  /** How much work a character of a name is at most. */
  get size(): number {
    return this.#steps.length;
  }

  matches(path: string): boolean {
    const reached = this.further(this.begin(), path);
    return reached !== undefined && this.isWhole(reached);
  }

  /** Before the first character of a path. */
  begin(): Reached {
    return this.#reached([this.#start]);
  }

  /**
   * Behind some more characters of a path; undefined where nothing that goes on so is matched.
   * @param leads whether a name begins with them
   */
  further(from: Reached, characters: Iterable<string>, leads = true): Reached | undefined {
    let [now, first] = [from, leads];
    for (const character of characters) {
      now = this.#after(now, character, first);
      if (now.steps.size === 0 && now.denying.length === 0) return undefined;
      first = character === '/';
    }
    return now;
  }

  /** Whether a path may end here. */
  isWhole({ steps }: Reached): boolean {
    return steps.has(END);
  }

  #after({ steps, denying }: Reached, character: string, leads: boolean): Reached {
    const next: number[] = [];
    for (const at of steps) {
      const { takes, next: after } = this.#steps[at] as Step;
      if (takes?.(character, leads)) next.push(after);
    }
    const more = inName(character, leads)
      ? denying.map(({ step, inside }) => ({ step, inside: this.#after(inside, character, leads) }))
      : [];
    for (const { step, inside } of more) if (!this.#denies(step, inside)) next.push((this.#steps[step] as Step).next);
    const { steps: reached, denying: begun } = this.#reached(next);
    return { steps: reached, denying: different([...more, ...begun]) };
  }

  #denies(step: number, { steps }: Reached): boolean {
    return steps.has(((this.#steps[step] as Step).denied as readonly [number, number])[1]);
  }

  /** The steps that are reached from others without taking anything. */
  #reached(from: readonly number[]): Reached {
    const steps = new Set<number>();
    const denying: { step: number; inside: Reached }[] = [];
    const waiting = [...from];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (at === NOWHERE || steps.has(at)) continue;
      steps.add(at);
      const { takes, next, other, denied } = this.#steps[at] as Step;
      if (denied !== undefined) {
        const inside = this.#reached([denied[0]]);
        denying.push({ step: at, inside });
        if (!this.#denies(at, inside)) waiting.push(next);
      } else if (takes === undefined) waiting.push(next, other);
    }
    return { steps, denying };
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
        return this.#compileAlternatives(element, next);
    }
  }

  #compileAlternatives({ times, alternatives }: Extract<Element, { kind: 'alternatives' }>, next: number): number {
    const before = (after: number) =>
      alternatives
        .map((alternative) => this.#compile(alternative, after))
        .reduceRight((other, start) => this.#add(undefined, start, other), NOWHERE);
    if (times === 'once') return before(next);
    if (times === 'maybe') return this.#add(undefined, before(next), next);
    if (times === 'none') {
      const last = this.#add(undefined);
      return this.#steps.push({ takes: undefined, next, other: NOWHERE, denied: [before(last), last] }) - 1;
    }
    const again = this.#add(undefined, next);
    const first = before(again);
    this.#steps[again]!.other = first;
    return times === 'any' ? again : first;
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

/** The characters before the first thing that stands for more than itself. */
function literalStart(elements: readonly Element[]): string {
  const characters: string[] = [];
  for (const element of elements) {
    if (element.kind !== 'character') break;
    characters.push(element.value);
  }
  return characters.join('');
}

/** Each of what is being denied once: where it began plays no part. */
function different(denying: Reached['denying']): Reached['denying'] {
  return denying.length < 2 ? denying : [...new Map(denying.map((one) => [keyOf(one), one])).values()];
}

function keyOf({ step, inside }: Reached['denying'][number]): string {
  return `${step}(${[...inside.steps].sort((a, b) => a - b).join()};${inside.denying.map(keyOf).sort().join()})`;
}

function tooLarge(value: number, what: string, most: number): TensimError {
  return new TensimError(
    'INVALID_ARGUMENT',
    `the pattern has ${count(value)} ${what}, at most ${count(most)} are read`,
    {
      hint: 'Give several patterns, or a folder',
    },
  );
}
