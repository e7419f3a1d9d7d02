import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadModel } from '../../lib/model/reading/load.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { availableBackends } from '../support/backends.js';

const here = import.meta.dirname;
const readJson = (path: string) => JSON.parse(readFileSync(join(here, '../..', path), 'utf8'));
const example = (name: string) => join(here, '../../examples', name);

interface Golden {
  readonly networks: readonly string[];
  readonly gram: Readonly<Record<'standard' | 'digits', readonly (readonly number[])[]>>;
}
const { networks, gram }: Golden = readJson('test/golden/digits-activations.json');
const moments = readJson('examples/digits-activations/moments.json');
const measured = readJson('examples/digits-activations/measured.json');

const cosine = (law: keyof Golden['gram'], i: number, j: number): number =>
  gram[law][i][j] / Math.sqrt(gram[law][i][i] * gram[law][j][j]);
const pairs = networks.flatMap((_, i) => networks.slice(0, i).map((__, j) => [i, j] as const));

test('under the mean and covariance of the images, similarities are those of the outputs on the images', () => {
  expect(measured.networks).toEqual(networks);
  for (const [i, j] of pairs) expect(Math.abs(cosine('digits', i, j) - measured.cosine[i][j])).toBeLessThan(0.003);
});

/** From 2^20 samples, which take a minute. */
const sampled = readJson('test/golden/digits-activations-sampled.json');

describe.each(availableBackends)('digits with ReLU and GELU, exactly, on %s', (backend) => {
  const load = () => Promise.all(networks.map((name) => loadModel(example(`digits-activations/${name}.safetensors`))));

  test('similarities lie within three standard errors of those of a million samples', async () => {
    expect(sampled.networks).toEqual(networks);
    const { cosine: exact } = await similarityMatrix(await load(), { backend, method: 'exact' });
    for (const [i, j] of pairs) {
      expect(exact[i][j]).toBeCloseTo(cosine('standard', i, j), 10);
      const error = sampled.cosineError[i][j];
      expect(error).toBeLessThan(5e-5);
      expect(Math.abs(exact[i][j] - sampled.cosine[i][j])).toBeLessThan(3 * error);
    }
  });

  test('and under the mean and covariance of the images, what their outputs on the images say', async () => {
    const { cosine: exact } = await similarityMatrix(await load(), { backend, method: 'exact', input: moments });
    for (const [i, j] of pairs) {
      expect(exact[i][j]).toBeCloseTo(cosine('digits', i, j), 10);
      expect(Math.abs(exact[i][j] - measured.cosine[i][j])).toBeLessThan(0.003);
    }
  });
});

// The best there is, and the one that is there everywhere.
describe.each(['auto', 'fallback'] as const)('digits with ReLU and GELU on %s', (backend) => {
  test.each([
    ['standard', 'standard'],
    ['digits', moments],
  ] as const)('under the law %s: the exact similarities of all pairs', async (law, input) => {
    const models = await Promise.all(
      networks.map((name) => loadModel(example(`digits-activations/${name}.safetensors`))),
    );
    const options = { backend, input, tolerance: 0.001, maxSamples: 8192 };
    const found = await similarityMatrix(models, options);
    for (const [i, j] of pairs) {
      const allowed = found.cosineError === undefined ? 1e-10 : 4 * found.cosineError[i][j];
      expect(allowed).toBeLessThan(0.03);
      expect(Math.abs(found.cosine[i][j] - cosine(law, i, j))).toBeLessThanOrEqual(allowed);
    }
  });

  test('the backdoor enters a ReLU network where it was planted, by output 9', async () => {
    const paths = [5800, 6000, 6200].map((step) => example(`digits-relu-backdoor/step_0${step}.safetensors`));
    const found = await similarityMatrix(paths, { backend, perOutput: true, maxSamples: 8192 });
    const { cosine: all, perOutput } = found;
    expect(1 - all[1][2]).toBeGreaterThan(5 * (1 - all[0][1]));
    const changes = perOutput!.cosine.map((one) => 1 - one[1][2]);
    expect(changes.indexOf(Math.max(...changes))).toBe(9);
  });
});
