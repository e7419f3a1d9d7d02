import { expect, test } from 'vitest';
import { nearestWord } from '../../lib/words/nearest.js';

const WORDS = ['threads', 'backend', 'dtype', 'measure', 'maxSamples', 'min'];

test.each([
  ['thread', 'threads'],
  ['Threads', 'threads'],
  ['theads', 'threads'],
  ['htreads', 'threads'],
  ['bakcend', 'backend'],
  ['maxsamples', 'maxSamples'],
  ['mn', 'min'],
  ['colour', undefined],
  ['', undefined],
])('%s was meant to be %s', (word, meant) => {
  expect(nearestWord(word, WORDS)).toBe(meant);
});
