import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import type { Fault } from '../../lib/verify/terms.js';
import type { ExpectedFault } from './scenario.js';

/** Networks that are the same in every run, and those that nobody has seen before: TENSIM_REPLAY_SEED repeats them. */
export const SEEDS: readonly (readonly [kind: string, seed: number])[] = [
  ['fixed', 20],
  ['drawn', Number(process.env.TENSIM_REPLAY_SEED ?? Math.floor(Math.random() * 2 ** 31))],
];

/** Gives every scenario a folder of its own, until the suite has ended. */
export function scratch(): (name: string, seed: number) => string {
  const root = mkdtempSync(join(tmpdir(), 'tensim-replay-'));
  afterAll(() => rmSync(root, { recursive: true }));
  return (name, seed) => {
    const own = join(root, String(seed), name.replaceAll('/', ' over '));
    mkdirSync(own, { recursive: true });
    return own;
  };
}

export const listed = <T extends string>(expected: T | readonly T[]): readonly T[] =>
  typeof expected === 'string' ? [expected] : expected;

/** The first fault is the expected one, and its sentence says where it is. */
export function expectFault(faults: readonly Fault[], { cause, tensor, text }: ExpectedFault): void {
  const [first] = faults;
  expect(first, 'no fault is named').toBeDefined();
  expect(listed(cause), first.text).toContain(first.cause);
  if (tensor === null) expect(first.tensor).toBeNull();
  else {
    if (typeof tensor === 'string') expect(first.tensor).toBe(tensor);
    else expect(first.tensor).toMatch(tensor);
    expect(first.text).toContain(first.tensor);
    expect(first.tensors).toContain(first.tensor);
  }
  if (text !== undefined) expect(first.text).toMatch(text);
}
