import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bytesOf, configOf, headerOf, type LlamaShape, SHAPES, tensorsOf } from '../../bench/blocks/llama.js';
import { planBlocks } from '../../lib/blocks/plan.js';
import '../../lib/report/contracts.js';
import { tensim } from '../cli/run.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';

const root = temporaryFolder();

/** A checkpoint of which nothing is on the disk but its header. */
function hollow(name: string, shape: LlamaShape): string {
  const folder = join(root, name);
  mkdirSync(folder);
  const header = headerOf(tensorsOf(shape));
  const file = openSync(join(folder, 'model.safetensors'), 'w');
  writeSync(file, header);
  ftruncateSync(file, header.length + bytesOf(shape).all);
  closeSync(file);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(configOf(shape)));
  return folder;
}

describe('a plan', () => {
  test('is made from headers, of seven billion parameters as well', async () => {
    const paths = [hollow('a', SHAPES['7B']), hollow('b', SHAPES['7B'])];
    const plan = await planBlocks(paths);
    const { all, block } = bytesOf(SHAPES['7B']);
    expect(plan.bytes).toBe(2 * all);
    expect(plan.networks[0]).toMatchObject({ layout: 'llama', layers: 32, parameters: all / 2 });
    expect(plan.memory).toBe(3 * block + 300e6);
    expect(plan.mlps).toEqual({ sampled: 32 });
    expect(JSON.parse(JSON.stringify(plan))).toMatchObject({ schema: 'tensim.blocks-plan/1', bytes: plan.bytes });
    const { total, ...parts } = plan.seconds;
    expect(total).toBeCloseTo(
      Object.values(parts).reduce((sum, part) => sum + part, 0),
      6,
    );
    expect(Math.min(...Object.values(parts))).toBeGreaterThan(0);
    expect(plan.flops.attention).toBeGreaterThan(32 * 2 * 2 * 4096 ** 3);
    const { stdout } = await tensim(['blocks', ...paths, '--plan']);
    expect(stdout).toMatch(/About [\d.e+]+ minutes on this machine/);
    expect(stdout).toMatch(/6\.74 billion parameters/);
  });

  test('of small networks is exact, and JSON under a schema of its own', async () => {
    const shape = { ...SHAPES.small, width: 64, units: 172, tokens: 100, heads: 4, groups: 4 };
    const { stdout } = await tensim(['blocks', hollow('c', shape), hollow('d', shape), '--plan', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'tensim.blocks-plan/1', mlps: { whole: 2 } });
  });
});
