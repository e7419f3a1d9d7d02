import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { bilinearShapes, deepShapes, writeCheckpoint } from '../model/helpers.js';
import { step, tensim } from './run.js';

const root = temporaryFolder();
const EXPLAIN = ['explain', step(6000), step(8000)];
const CORNER = ['(6, 6)', '(6, 7)', '(7, 6)', '(7, 7)'];

describe('tensim explain', () => {
  test('shows the planted corner, from the weights alone', async () => {
    const { code, stdout, stderr } = await tensim([...EXPLAIN, '--image', '8x8']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Output 9 differs most: 23 % of the difference$/m);
    const first = /^9 +23 % +\+[\d.]+ +66 % +(.*)$/m.exec(stdout)?.[1];
    for (const pixel of CORNER) expect(first).toContain(`+${pixel}`);
    // Both pictures end in the corner.
    const rows = stdout.split('\n').slice(stdout.split('\n').findIndex((line) => line.startsWith('output 9 ')) + 1);
    expect(rows[6]).toMatch(/▓▓██ .*▓▓██$/);
    expect(rows[7]).toMatch(/████ .*████$/);
  });

  test('prints tensim.explain/1', async () => {
    const { code, stdout } = await tensim([...EXPLAIN, '--json', '--top', '2', '--output', '9,0']);
    expect(code).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({
      schema: 'tensim.explain/1',
      kind: 'forms',
      a: 'step_06000',
      b: 'step_08000',
      inputs: 64,
    });
    expect(found.outputs.map(({ output }: { output: number }) => output)).toEqual([9, 0]);
    for (const { directions } of found.outputs) expect(directions).toHaveLength(2);
    expect(found.shares.indexOf(Math.max(...found.shares))).toBe(9);
    const energy = ({ vector }: { vector: number[] }) =>
      [54, 55, 62, 63].reduce((sum, pixel) => sum + vector[pixel] ** 2, 0);
    expect(energy(found.outputs[0].directions[0])).toBeGreaterThan(0.45);
    expect(energy(found.joint.directions[0])).toBeGreaterThan(0.5);
  });

  test('writes reports, and says so', async () => {
    const files = ['r.html', 'r.svg', 'r.json'].map((name) => join(root, name));
    const { code, stderr } = await tensim([...EXPLAIN, '--image', '8x8', ...files.flatMap((file) => ['--out', file])]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: files.map((file) => `wrote ${file}\n`).join('') });
    const [html, svg, json] = files.map((file) => readFileSync(file, 'utf8'));
    expect(html).toContain('image/png;base64');
    expect(svg).toMatch(/^<svg /);
    expect(JSON.parse(json).schema).toBe('tensim.explain/1');
  });

  test('tells by degree what networks with activations differ in, or exchanges their layers', async () => {
    const steps = ['05800', '08000'].map((name) =>
      join(import.meta.dirname, `../../examples/digits-relu-backdoor/step_${name}.safetensors`),
    );
    const { code, stdout } = await tensim(['explain', ...steps, '--image', '8x8', '--top', '1']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Output 9 differs most/m);
    expect(stdout).toMatch(/^Means and directions explain \d+ % of the difference; the rest is of higher degree\.$/m);
    const linear = /^linear +\d+ % +\+[\d.]+ +\d+ % +(.*)$/m.exec(stdout)?.[1];
    for (const pixel of CORNER) expect(linear).toContain(`+${pixel}`);
    const exchanged = await tensim(['explain', ...steps, '--by', 'layers', '--json', '--method', 'exact']);
    expect(JSON.parse(exchanged.stdout).kind).toBe('exchange');
  });

  test('exchanges the layers of deeper networks', async () => {
    const [a, b] = await Promise.all(
      ['a', 'b'].map((name) => writeCheckpoint(root, `${name}.safetensors`, deepShapes(2))),
    );
    const { code, stdout } = await tensim(['explain', a, b, '--json', '--input', 'sigma=0.5']);
    expect(code).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ kind: 'exchange', input: 'sigma=0.5', method: 'exact' });
    expect(found.layers.map(({ type }: { type: string }) => type)).toEqual([
      'linear',
      'bilinear',
      'bilinear',
      'linear',
    ]);
    expect((await tensim(['explain', a, b, '--method', 'closure'])).stdout).toContain('closure, an approximation');
  });

  test('refuses what it cannot do before it writes anything', async () => {
    const narrow = await writeCheckpoint(root, 'narrow.safetensors', bilinearShapes());
    const deep = await writeCheckpoint(root, 'three.safetensors', deepShapes(3));
    const before = readdirSync(root);
    const refused = async (args: string[], message: RegExp, code = 2) => {
      const outcome = await tensim(args);
      expect(outcome).toMatchObject({ code, stdout: '' });
      expect(outcome.stderr).toMatch(message);
    };
    await refused(
      [...EXPLAIN, '--image', '7x8', '--out', join(root, 'x.svg')],
      /7x8 has 56 pixels, the models 64 inputs/,
    );
    await refused([...EXPLAIN, '--image', 'square'], /"square" is not the shape of an image/);
    await refused([...EXPLAIN, '--out', join(root, 'x.csv')], /Endings are \.json, \.svg, \.html/);
    await refused([...EXPLAIN, '--output', '10'], /no output 10/);
    await refused([...EXPLAIN, '--output', 'nine'], /--output/);
    await refused([...EXPLAIN, '--top', '0'], /--top/);
    await refused(['explain', narrow, step(0)], /inputs/);
    await refused(['explain', deep, deep, '--method', 'exact'], /blocks/, 3);
    await refused(['explain', step(0), 'gone.safetensors'], /gone/);
    expect(readdirSync(root)).toEqual(before);
  });
});
