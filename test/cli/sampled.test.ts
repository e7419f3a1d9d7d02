import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tensim } from './run.js';

const examples = join(import.meta.dirname, '../../examples');
const deep = (seed: number) => join(examples, 'digits-seeds', `deep3_seed${seed}.safetensors`);
const induction = (step: string) => join(examples, 'induction', `step_${step}.safetensors`);

/** Fewer than a search for tails takes, which is another test's. */
const FEW = ['--tolerance', '0.2', '--max-samples', '8192'];

describe('sampling on the command line', () => {
  test('is what deep networks are compared by: an interval beside the similarity, and per output', async () => {
    const { code, stdout } = await tensim(['compare', deep(0), deep(1), ...FEW, '--per-output', '--seed', '3']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^similarity +0\.\d+ ± 0\.\d+$/m);
    expect(stdout).toMatch(/sampled on [\d,]+ inputs \(seed 3\) · 95 % interval ± 0\.\d+/);
    expect(stdout).toMatch(/^9 +0\.\d+ +± 0\.\d+ /m);
  });

  test('says in JSON how it came about', async () => {
    const run = await tensim(['compare', deep(0), deep(1), ...FEW, '--per-output', '--json']);
    const { method, exact, standardError, sampling, perOutput } = JSON.parse(run.stdout);
    expect({ method, exact }).toEqual({ method: 'sampled', exact: false });
    expect(sampling).toMatchObject({ seed: 0, tolerance: 0.2 });
    expect(standardError).toBeGreaterThan(0);
    expect(perOutput[0].standardError).toBeGreaterThan(0);
    const matrix = JSON.parse((await tensim(['matrix', deep(0), deep(1), deep(2), ...FEW, '--json'])).stdout);
    expect(matrix.cosineError).toHaveLength(3);
    expect(matrix.standardError).toBe(Math.max(...matrix.cosineError.flat()));
  });

  test('says so when the tolerance was not reached, and names the law for models of tokens', async () => {
    const few = ['--max-samples', '1024', '--dtype', 'float32'];
    const gaussian = await tensim(['compare', induction('00181'), induction('06000'), ...few]);
    expect(gaussian.code).toBe(0);
    expect(gaussian.stdout).toMatch(/inputs carry the norm of a model/);
    expect(gaussian.stdout).toMatch(/models of tokens.*"tokens"/);
    const tokens = await tensim(['compare', induction('00181'), induction('06000'), '--input', 'tokens', ...few]);
    expect(tokens.stdout).toMatch(
      /The tolerance of ± 0\.005 was not reached: after 1,024 inputs the widest 95 % interval is ± 0\.\d+\./,
    );
    expect(tokens.stdout).toMatch(/input law tokens/);
    expect(tokens.stdout).not.toMatch(/models of tokens/);
  });

  test.each([
    ['--seed', '-1'],
    ['--seed', '1.5'],
    ['--tolerance', '0'],
    ['--tolerance', 'tight'],
    ['--max-samples', '10'],
    ['--method', 'guess'],
  ])('%s %s is bad usage', async (option, value) => {
    const { code, stderr } = await tensim(['compare', deep(0), deep(1), option, value]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^(tensim|error): /);
  });
});
