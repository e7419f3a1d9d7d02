import type { Progress } from '../similarity/terms/types.js';

const WORDS: Readonly<Record<Progress['phase'], string>> = {
  open: 'reading',
  evaluate: 'evaluating',
  sample: 'sampling',
  prepare: 'preparing',
  compare: 'comparing',
};

/** What is being done, in a word. */
export const phaseWords = (phase: Progress['phase']): string => WORDS[phase];
