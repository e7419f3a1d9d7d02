import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { SETTINGS } from '../../lib/cli/settings_file.js';
import { fileIn, temporaryFolder } from '../formats/safetensors/helpers.js';
import { step, tensim } from './run.js';

const schema = JSON.parse(readFileSync('schemas/tensim.config.1.schema.json', 'utf8'));
const root = temporaryFolder();
let folders = 0;

/** A folder of a package, and one two levels below it; files by their paths from the first. */
function packageWith(files: Readonly<Record<string, unknown>>): { readonly top: string; readonly below: string } {
  const top = join(root, `${folders++}`);
  const below = join(top, 'a', 'b');
  mkdirSync(below, { recursive: true });
  const all = { 'package.json': { name: 'somebody' }, ...files };
  for (const [name, content] of Object.entries(all))
    fileIn(top, name, typeof content === 'string' ? content : JSON.stringify(content));
  return { top, below };
}

const COMPARE = ['compare', resolve(step(6000)), resolve(step(6200)), '--json'];
const run = async (cwd: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) => {
  const { code, stdout, stderr } = await tensim([...COMPARE, ...args], { cwd, env });
  return { code, stderr, ...(code === 0 ? JSON.parse(stdout) : {}) };
};

describe('common options', () => {
  test('come from the nearest configuration up to the root of the package', async () => {
    const { top, below } = packageWith({ 'tensim.config.json': { measure: 'weights', perOutput: true } });
    for (const cwd of [top, below]) {
      const result = await run(cwd);
      expect(result).toMatchObject({ code: 0, measure: 'weights', stderr: '' });
      expect(result.perOutput.length).toBeGreaterThan(1);
    }
    const nearer = packageWith({
      'tensim.config.json': { measure: 'weights' },
      'a/tensim.config.json': { dtype: 'float32' },
    });
    expect(await run(nearer.below)).toMatchObject({ measure: 'gaussian', dtype: 'float32' });
    const outside = packageWith({ 'a/package.json': {}, 'tensim.config.json': { measure: 'weights' } });
    expect(await run(outside.below)).toMatchObject({ measure: 'gaussian' });
  });

  test('or from the key of package.json', async () => {
    const { top, below } = packageWith({ 'package.json': { tensim: { measure: 'tensor' } } });
    for (const cwd of [top, below]) expect(await run(cwd)).toMatchObject({ measure: 'tensor' });
    // The manifests of others are theirs.
    expect(await run(packageWith({ 'package.json': '{ "name": ' }).top)).toMatchObject({ code: 0 });
  });

  test('the command line goes before the environment, and that before the file; --verbose says so', async () => {
    const { top } = packageWith({ 'tensim.config.json': { measure: 'weights', dtype: 'float32', threads: 1 } });
    const env = { TENSIM_MEASURE: 'tensor', TENSIM_DTYPE: 'float64' };
    expect(await run(top, [], env)).toMatchObject({ measure: 'tensor', dtype: 'float64' });
    const { measure, dtype, stderr } = await run(top, ['--measure', 'gaussian', '--verbose'], env);
    expect({ measure, dtype }).toEqual({ measure: 'gaussian', dtype: 'float64' });
    expect(stderr).toContain('--dtype float64, from TENSIM_DTYPE\n');
    expect(stderr).toContain(`--threads 1, from ${join(top, 'tensim.config.json')}\n`);
    expect(stderr).not.toContain('--measure');
    // An empty variable says nothing.
    expect(await run(top, [], { TENSIM_MEASURE: '' })).toMatchObject({ measure: 'weights' });
  });

  test('are those of every command that has them', async () => {
    const { top } = packageWith({ 'tensim.config.json': { min: 0.5, minOutput: 0.5, tolerance: 0.004 } });
    const gate = ['gate', resolve(step(6200)), '--against', resolve(step(6000))];
    expect((await tensim(gate, { cwd: top })).code).toBe(0);
    expect((await tensim([...gate, '--min', '0.99'], { cwd: top })).code).toBe(1);
    // Of tensim verify the tolerance is another thing.
    expect((await tensim(['verify', COMPARE[1], COMPARE[1]], { cwd: top })).stderr).toBe('');
  });

  test('several measures are a list', async () => {
    const { top } = packageWith({ 'tensim.config.json': { measure: ['weights', 'gaussian'] } });
    const { stdout } = await tensim(['matrix', ...COMPARE.slice(1)], { cwd: top });
    expect(JSON.parse(stdout).measures).toEqual(['weights', 'gaussian']);
  });
});

describe('a configuration that is none is an error', () => {
  const refused = async (config: unknown, message: string, env: Readonly<Record<string, string>> = {}) => {
    const { top } = packageWith({ 'tensim.config.json': config });
    const { code, stderr } = await run(top, [], env);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^tensim: [^\n]+\n$/);
    expect(stderr).toContain(message);
  };

  test('with an unknown option, naming the nearest', async () => {
    await refused({ thread: 2 }, 'tensim.config.json: has an unknown option "thread". "threads" is the nearest');
    await refused({ 'max-samples': 2 }, '"maxSamples" is the nearest');
    await refused({ colour: true }, 'Options are measure, perOutput,');
  });

  test('with values that options do not take', async () => {
    await refused({ threads: '2' }, '"threads" is "2", and must be a number');
    await refused(
      { threads: 0 },
      'tensim.config.json says "0" for --threads. It must be an integer between 1 and 4096',
    );
    await refused({ measure: 'cka' }, 'Allowed choices are gaussian, tensor, weights, behavioural');
    await refused({}, 'TENSIM_PER_OUTPUT says "maybe" for --per-output. It must be true or false', {
      TENSIM_PER_OUTPUT: 'maybe',
    });
  });

  test('or of another kind', async () => {
    await refused([], 'is no object of options');
    await refused('{ "threads": ', 'is no JSON');
  });
});

test('the schema has the options, and tells what is no configuration', () => {
  const { $schema, ...options } = schema.properties;
  expect($schema).toBeDefined();
  expect(Object.keys(options)).toEqual(Object.keys(SETTINGS));
  const isSound = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema);
  expect(isSound({ measure: ['weights', 'gaussian'], threads: 4, memoryLimit: '2GB', min: 0.99 })).toBe(true);
  for (const config of [{ thread: 4 }, { threads: '4' }, { threads: 0 }, { measure: 'cka' }, { perOutput: 1 }, []])
    expect(isSound(config), JSON.stringify(config)).toBe(false);
});
