import { parseDecimal } from '../words/names.js';

/** How a setting is read from text, and what it should be, for messages. */
export interface Type<T> {
  readonly parse: (text: string) => T | undefined;
  readonly kind: string;
  /** Of a value, where it is no plain one. */
  readonly inWords?: (value: T) => string;
}

export const number: Type<number> = { parse: parseDecimal, kind: 'a finite number' };

export const truth: Type<boolean> = {
  parse: (text) => (/^(true|1)$/i.test(text) ? true : /^(false|0)$/i.test(text) ? false : undefined),
  kind: 'true or false',
};

export const naturalNumber: Type<number> = {
  parse: (text) => (/^\d{1,9}$/.test(text) ? Number(text) : undefined),
  kind: 'a whole number from 0',
};

export const positiveInteger: Type<number> = {
  parse: (text) => {
    const value = parseDecimal(text);
    return value !== undefined && Number.isSafeInteger(value) && value >= 1 ? value : undefined;
  },
  kind: 'a whole number from 1',
};

/** As an object, so that it may stand beside what is none. */
export function positive(text: string): { base: number } | undefined {
  const base = parseDecimal(text);
  return base !== undefined && base > 0 ? { base } : undefined;
}

/** One of these words. */
export function oneOf<Word extends string>(...words: readonly [Word, Word]): Type<Word> {
  const kind = words.map((word) => `"${word}"`).join(' or ');
  return { parse: (text) => words.find((word) => word === text), kind };
}

/** What is before a block: nothing, a learned factor for all features or for each, or what is no linear map. */
export interface NormKind {
  readonly kind: 'none' | 'scalar' | 'channel' | 'other';
  /** As it was stated. */
  readonly stated: string;
}

export const normKind: Type<NormKind> = {
  parse: (stated) => {
    const word = stated.toLowerCase();
    if (/^(?:|none|null|false|identity|off|no)$/.test(word)) return { kind: 'none', stated };
    return { kind: word === 'scalar' || word === 'channel' ? word : 'other', stated };
  },
  kind: 'the name of a normalisation',
  inWords: ({ kind, stated }) => (kind === 'none' ? kind : stated),
};
