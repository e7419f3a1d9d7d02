import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareNaturally } from '../../lib/model/reading/natural.js';

const collator = new Intl.Collator('en', { numeric: true });
const reference = (a: string, b: string) => Math.sign(collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0));

it('orders names as a collator of English does that knows numbers', () => {
  const part = fc.oneof(
    fc.constantFrom(
      'step_',
      'Step_',
      '-',
      '.',
      '/',
      '0',
      '00',
      '9',
      '10',
      '010',
      'e',
      'é',
      ' ',
      '~',
      'a',
      '\u0301',
      '٣',
    ),
    fc.nat().map(String),
    fc.string({ minLength: 1, maxLength: 2 }),
  );
  const name = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(''));
  // Half of them begin alike, as those of a series do.
  const pair = fc
    .tuple(name, name, name, fc.boolean())
    .map(([start, a, b, alike]) => [alike ? start + a : a, alike ? start + b : b]);
  fc.assert(
    fc.property(pair, ([a, b]) => {
      expect(Math.sign(compareNaturally(a, b))).toBe(reference(a, b));
    }),
    { numRuns: 5000 },
  );
});

it.each([
  ['step_9', 'step_10'],
  ['step_009', 'step_10'],
  ['step_01', 'step_1'],
  ['step_9.pt', 'step_10.safetensors'],
  ['a1b2', 'a1b10'],
  ['run-2', 'run-12/3'],
  ['x99999999999999999999', 'x100000000000000000000'],
])('%s before %s', (a, b) => {
  expect([b, a].sort(compareNaturally)).toEqual([a, b]);
});
