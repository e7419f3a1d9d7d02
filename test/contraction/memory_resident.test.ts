import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forNode } from '../../scripts/bundle.mjs';
import { availableBackends } from '../support/backends.js';

const MIB = 2 ** 20;
const LIMIT = 64 * MIB;

/** Within the package, where the addon and the imports that are not bundled are found. */
const folder = join('node_modules', '.cache', `tensim-memory-${process.pid}`);
const child = join(folder, 'child.mjs');

// A process knows only its highest memory ever, so each case runs in a process of its own. All operands are small
// integers: whatever the order of the sums, the result is exact.
const CHILD = `
  import { contract } from './contract.js';
  const { equation, shapes, small, options } = JSON.parse(process.argv[2]);
  const operands = shapes.map((shape, place) => {
    const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < data.length; i++) data[i] = ((Math.imul(i + 1, 0x9e3779b1 + 2 * place) >>> 13) % 5) - 1;
    return { data, shape };
  });
  const checked = await contract(equation, operands, { optimize: small, backend: options.backend });
  await contract(equation, shapes.map((shape) => ({ data: new Float64Array(4).fill(1), shape: shape.map(() => 2) })), {
    optimize: options.optimize,
    backend: options.backend,
  });
  const before = process.memoryUsage.rss();
  const result = await contract(equation, operands, options);
  const growth = process.resourceUsage().maxRSS * 1024 - before;
  const same = result.data.length === checked.data.length && result.data.every((value, i) => value === checked.data[i]);
  console.log(JSON.stringify({ growth, same, first: result.data[0] }));
`;

beforeAll(async () => {
  const entryPoints = ['lib/contraction/running/contract.ts'];
  await build({ ...forNode, entryPoints, outfile: join(folder, 'contract.js'), format: 'esm', logLevel: 'error' });
  writeFileSync(child, CHILD);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Case {
  readonly name: string;
  readonly equation: string;
  readonly shapes: readonly (readonly number[])[];
  /** Makes the large intermediate, many times the limit. */
  readonly large: readonly (readonly number[])[];
  /** Makes small ones only. */
  readonly small: readonly (readonly number[])[];
  readonly bytes: number;
  readonly strategy: 'blocked' | 'ttgt';
}

const cases: Case[] = [
  {
    name: 'a table that is summed away',
    equation: 'hi,ki,hj,kj->',
    shapes: [
      [7500, 8],
      [7500, 8],
      [7500, 4],
      [7500, 4],
    ],
    large: [
      [0, 1],
      [0, 1],
      [0, 1],
    ],
    small: [
      [0, 2],
      [0, 1],
      [0, 1],
    ],
    bytes: 7500 * 7500 * 8,
    strategy: 'blocked',
  },
  {
    name: 'a table in the middle of a chain',
    equation: 'ai,ib,bj->aj',
    shapes: [
      [7500, 16],
      [16, 7500],
      [7500, 24],
    ],
    large: [
      [0, 1],
      [0, 1],
    ],
    small: [
      [1, 2],
      [0, 1],
    ],
    bytes: 7500 * 7500 * 8,
    strategy: 'blocked',
  },
];

describe.each(availableBackends)('resident memory on %s', (backend) => {
  const all: Case[] = [...cases, { ...cases[1], strategy: 'ttgt' }];
  it.each(all)('stays within 1.25 times the limit for $name, $strategy', (entry) => {
    const { equation, shapes, large, small, bytes, strategy } = entry;
    expect(bytes).toBeGreaterThan(6 * LIMIT);
    const options = { optimize: large, memoryLimit: LIMIT, strategy, backend };
    const task = JSON.stringify({ equation, shapes, small, options });
    const { growth, same, first } = JSON.parse(execFileSync(process.execPath, [child, task], { encoding: 'utf8' }));
    expect(first).not.toBe(0);
    expect(same).toBe(true);
    expect(growth).toBeLessThan(1.25 * LIMIT);
    // Far less would mean that something else than the large table was computed.
    expect(growth).toBeGreaterThan(LIMIT / 8);
  });
});
