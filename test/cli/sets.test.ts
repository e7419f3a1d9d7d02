import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../lib/formats/checkpoint.js';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { bilinearShapes, writeCheckpoint } from '../model/helpers.js';
import { step, tensim } from './run.js';

const root = temporaryFolder();
const OPTIONS = ['--measure', 'weights', '--backend', 'fallback'];
const told = async (...args: string[]) => {
  const { code, stdout } = await tensim(['matrix', ...args, ...OPTIONS]);
  expect(code).toBe(0);
  return stdout;
};
const CHANGES = /Largest change|Onset|change from one to the next/;
const SEEDS = 'examples/digits-deep/gelu2*.safetensors';

describe('a set', () => {
  test('of several seeds is told without changes from one to the next', async () => {
    const text = await told(SEEDS);
    expect(text).not.toMatch(CHANGES);
    expect(text).toContain('A set of models of different seeds, and no series');
    const page = join(root, 'set.html');
    await told(SEEDS, '--out', page);
    expect(readFileSync(page, 'utf8')).not.toContain('Change from one model to the next');
  });

  test('is told in the order of its tree, with its groups, and keeps its own in JSON', async () => {
    const folder = join(root, 'mixed');
    mkdirSync(folder);
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const [i, name] of names.entries()) {
      // Two kinds in turn, each a little changed.
      const data = Float64Array.from({ length: 24 }, (_, k) => Math.sin(1 + k + 40 * (i % 2)) + 0.01 * Math.cos(k * i));
      await writeSafetensors(join(folder, `${name}.safetensors`), { w: { data, shape: [4, 6] } });
    }
    const text = await told(folder);
    const order = text.split('\n').flatMap((line) => /^([12]) {6}([a-f]) /.exec(line)?.slice(1).join('') ?? []);
    expect([order.slice(0, 3), order.slice(3)].map((group) => group.sort().join(' '))).toEqual([
      '1a 1c 1e',
      '2b 2d 2f',
    ]);
    expect(text).toContain('2 groups among 6 models');
    expect(text).toMatch(/^group +models +lowest similarity within +which$/m);
    const svg = join(root, 'set.svg');
    const json = JSON.parse((await tensim(['matrix', folder, '--json', '--out', svg, ...OPTIONS])).stdout);
    expect(json.labels).toEqual(names);
    const picture = readFileSync(svg, 'utf8');
    const places = json.leaves.map((model: number) => picture.indexOf(`>${names[model]}<`));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(picture.match(/class="mark-rect /g)).toHaveLength(2);
  });

  test('may be known by the seeds in the metadata', async () => {
    const folder = join(root, 'seeds');
    mkdirSync(folder);
    for (const [seed, number] of [0, 6000, 8000].entries()) {
      const source = await openCheckpoint(step(number));
      const tensors = new Map<string, Awaited<ReturnType<typeof source.read>>>();
      for (const name of source.tensors.keys()) tensors.set(name, await source.read(name));
      await source.close();
      await writeSafetensors(join(folder, `net_${seed}.safetensors`), tensors, {
        seed: `${seed}`,
        step: `${100 * (seed + 1)}`,
      });
    }
    expect(await told(folder)).toContain('of different seeds');
    expect(await told(folder, '--series')).toMatch(CHANGES);
  });

  test('or said by hand, as may a series be', async () => {
    const files = [0, 6000, 6200, 8000].map(step);
    const set = await told(...files, '--set');
    expect(set).not.toMatch(CHANGES);
    expect(set).toContain('A set of models, and no series');
    const series = await told(SEEDS, '--series');
    expect(series).toMatch(/Largest change/);
    const named: string[] = [];
    for (const name of ['zeta', 'alpha', 'mid'])
      named.push(await writeCheckpoint(root, `${name}.safetensors`, bilinearShapes(5, 3, 2)));
    expect(await told(...named)).not.toMatch(CHANGES);
    // Nothing puts them in an order: as a series they stand as they are given.
    const json = JSON.parse((await tensim(['matrix', ...named, '--series', '--json', ...OPTIONS])).stdout);
    expect(json.labels).toEqual(['zeta', 'alpha', 'mid']);
    const both = await tensim(['matrix', ...files, '--set', '--series']);
    expect(both.code).toBe(2);
    expect(both.stderr).toMatch(/'--series' cannot be used with option '--set'/);
  });
});
