import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { adapterMatrix } from '../../lib/adapters/matrix.js';
import { openCheckpoint } from '../../lib/formats/checkpoint.js';
import { adaptersText } from '../../lib/report/adapters/text.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { drawModules, writeAdapter } from '../support/adapters.js';
import { faultsBy } from '../support/json_schema.js';
import { tensim } from './run.js';

const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../schemas/tensim.adapters.1.schema.json'), 'utf8'),
);
const root = temporaryFolder();
const SHAPES = { 'model.layers.0.q_proj': [6, 5], 'model.layers.1.q_proj': [6, 5] } as const;
const runs = [2, 10, 1].map((number) =>
  writeAdapter(join(root, 'runs', `step_${number}`), drawModules(SHAPES, 4, number)),
);
const zero = drawModules(SHAPES, 4, 9).map((module) => ({ ...module, b: new Float64Array(module.b.length) }));
const empty = join(root, 'empty');
mkdirSync(empty);
const still = writeAdapter(join(root, 'still'), zero);

describe('tensim adapters', () => {
  test('prints adapters and their cosines', async () => {
    const { code, stdout, stderr } = await tensim(['adapters', ...runs, still]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { cosine } = await adapterMatrix([...runs, still]);
    expect(stdout).toContain('4 adapters of 2 weights');
    expect(stdout).toMatch(/0 {2}step_2 +LoRA +4 +2 +2/);
    expect(stdout).toContain(cosine[0][1].toFixed(4));
    expect(stdout).toMatch(/still +– +– +– +–/);
  });

  test('takes the adapters of a folder, in the order of their numbers, and writes what is asked for', async () => {
    const files = ['all.json', 'cosines.csv', 'cosines.npy'].map((name) => join(root, name));
    const outs = files.flatMap((file) => ['--out', file]);
    const { code, stdout } = await tensim(['adapters', join(root, 'runs'), still, '--json', ...outs]);
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(faultsBy(schema, result)).toEqual([]);
    expect(result.labels).toEqual(['step_1', 'step_2', 'step_10', 'still']);
    expect(result.cosine[3]).toEqual([null, null, null, null]);
    expect(JSON.parse(readFileSync(files[0], 'utf8'))).toEqual(result);
    expect(readFileSync(files[1], 'utf8').split('\n')[0]).toBe('model,step_1,step_2,step_10,still');
    const npy = await openCheckpoint(files[2]);
    try {
      const [name] = npy.tensors.keys();
      const { shape, data } = await npy.read(name);
      expect([...shape]).toEqual([4, 4]);
      expect(data[1]).toBe(result.cosine[0][1]);
    } finally {
      await npy.close();
    }
  });

  test('computes in float32 where it is asked to', async () => {
    const { stdout } = await tensim(['adapters', ...runs, '--dtype', 'float32', '--memory-limit', '1KiB', '--json']);
    expect(JSON.parse(stdout).dtype).toBe('float32');
  });

  test.each([
    [['adapters', empty], 2, 'there is no adapter_config.json in this folder'],
    [['adapters', join(root, 'gone')], 2, 'gone'],
    [['adapters', ...runs, '--out', join(root, 'x.svg')], 2, 'Its ending must be .json, .csv, .npy'],
    [['adapters'], 2, 'missing required argument'],
    [['adapters', ...runs, '--memory-limit', 'much'], 2, 'size'],
  ] as const)('%j answers %i', async (args, code, text) => {
    const outcome = await tensim(args);
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toContain(text);
  });

  test('another kind of adapter is a model that is not supported', async () => {
    const path = writeAdapter(join(root, 'dora'), drawModules(SHAPES, 4, 3), { use_dora: true });
    const { code, stderr } = await tensim(['adapters', path]);
    expect(code).toBe(3);
    expect(stderr).toContain('DoRA');
  });
});

test('of many adapters the nearest and the farthest pairs are told', async () => {
  const paths = Array.from({ length: 12 }, (_, i) =>
    writeAdapter(join(root, 'many', String(i)), drawModules(SHAPES, 4, i === 7 ? 3 : i)),
  );
  const result = await adapterMatrix(paths);
  const text = adaptersText(result, { colour: true });
  const smallest = Math.min(...result.cosine.flatMap((row) => [...row]));
  expect(text).toMatch(/largest cosines\n +1 {2}3 {2}7\n/);
  expect(text.split('smallest cosines\n')[1]).toMatch(new RegExp(`^ *${smallest.toFixed(4)}`));
});

test('the schema holds for nothing else', async () => {
  const { stdout } = await tensim(['adapters', ...runs, '--json']);
  const result = JSON.parse(stdout);
  expect(faultsBy(schema, result)).toEqual([]);
  expect([schema.$id, schema.properties.schema.const]).toEqual(['tensim.adapters/1', 'tensim.adapters/1']);
  const changed: [object, RegExp][] = [
    [{ ...result, schema: 'tensim.adapters/2' }, /schema/],
    [{ ...result, cosine: [[1.5]] }, /above 1/],
    [{ ...result, adapters: [{ ...result.adapters[0], kind: 'IA3' }] }, /kind/],
    [{ ...result, more: 1 }, /more is not in the schema/],
  ];
  for (const [data, fault] of changed) expect(faultsBy(schema, data).join()).toMatch(fault);
});
